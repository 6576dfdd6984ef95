// SPDX-License-Identifier: Apache-2.0

/// Results as the XML that CI systems read.
///
/// There is no word for a warning in it: an advised rule that is broken is a test that passed and printed something.
package enum JUnitReport {
    /// The document.
    package static func text(_ report: ConformanceReport) -> String {
        let counts =
            #"tests="\#(report.results.count)" failures="\#(report.count(.failed))" errors="0" "#
            + #"skipped="\#(report.count(.skipped))" time="\#(report.duration.seconds)""#
        var lines = [
            #"<?xml version="1.0" encoding="UTF-8"?>"#, "<testsuites \(counts)>",
            #"  <testsuite name="mobyfs plugin verify \#(escaped(report.plugin))" \#(counts)>"#,
            "    <properties>", #"      <property name="address" value="\#(escaped(report.address))"/>"#,
            #"      <property name="destructive" value="\#(report.isDestructive)"/>"#, "    </properties>",
        ]
        lines += report.results.flatMap(testCase)
        if !report.leftovers.isEmpty {
            let text = report.leftovers.map { "left behind: \($0)" }.joined(separator: "\n")
            lines.append("    <system-err>\(escaped(text))</system-err>")
        }
        return (lines + ["  </testsuite>", "</testsuites>"]).joined(separator: "\n")
    }

    private static func testCase(_ result: CheckResult) -> [String] {
        let check = result.check
        let evidence = escaped(result.evidence)
        let rule = escaped("\(check.title) (\(check.source))")
        let content =
            switch result.outcome {
            case .passed: "<system-out>\(evidence)</system-out>"
            case .warning: "<system-out>warning: \(rule): \(evidence)</system-out>"
            case .failed: #"<failure type="\#(check.severity.rawValue)" message="\#(evidence)">\#(rule)</failure>"#
            case .skipped: #"<skipped message="\#(evidence)"/>"#
            }
        return [
            #"    <testcase classname="mobyfs.plugin.verify" name="\#(escaped(check.id))" time="\#(result.duration.seconds)">"#,
            "      \(content)", "    </testcase>",
        ]
    }

    /// As text or the value of an attribute.
    ///
    /// What XML cannot say at all was made visible before.
    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&apos;"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
