// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Testing

@testable import PluginConformance

@Suite struct ReportTests {
    private func check(_ id: String, _ severity: Check.Severity = .required, needs: Check.Need = .plugin) -> Check {
        Check(id, severity, "Rule <of> \"\(id)\" & so on", source: "a source", needs: needs) { _ in "" }
    }

    private var report: ConformanceReport {
        ConformanceReport(
            plugin: "p", address: "unix:///s", isDestructive: false,
            results: [
                CheckResult(check("one"), .passed, "sent, and came back", after: .milliseconds(12)),
                CheckResult(check("two"), .failed, "<b>\u{1B}&\u{0}'\"\u{FFFE}"),
                CheckResult(check("three", .advised), .warning, "odd"),
                CheckResult(check("four", needs: .consent), .skipped, CheckResult.needsConsent),
            ], leftovers: ["'v': <busy>"], duration: .milliseconds(1500))
    }

    @Test func aLineSaysHowItEndedAndTheEvidenceWhereItMatters() {
        let lines = report.results.map { TextReport.line($0, isVerbose: false) }
        #expect(lines[0].hasPrefix("ok   one "))
        #expect(!lines[0].contains("came back"))
        #expect(TextReport.line(report.results[0], isVerbose: true).hasSuffix(": sent, and came back"))
        #expect(lines[1].hasPrefix("FAIL two "))
        #expect(lines[1].hasSuffix(#": <b>\u{1b}&\u{0}'"\u{fffe}"#))
        #expect(lines[2].hasPrefix("warn three "))
        #expect(lines[3].hasPrefix("skip four "))
        #expect(lines.allSatisfy { !$0.contains("\n") })
    }

    @Test func theSummaryCounts() {
        #expect(
            TextReport.summary(report)
                == "p: 1 ok, 1 failed, 1 warnings, 1 skipped (1 of them need --destructive) in 1.5 s")
        #expect(!report.isConforming)
    }

    @Test func jsonHasItAll() throws {
        let value = try JSONValue(parsing: JSONReport.value(report).encoded)
        #expect(value["summary"]?["failed"] == 1)
        #expect(value["leftovers"]?.array?.count == 1)
        let checks = try #require(value["checks"]?.array)
        #expect(checks.map { $0["outcome"]?.string } == ["passed", "failed", "warning", "skipped"])
        #expect(checks[1]["evidence"]?.string?.contains(#"\u{1b}"#) == true)
        #expect(checks[0]["seconds"] == .number(0.012))
        #expect(checks[3]["destructive"] == true)
    }

    /// That parsers take it is tested with the command.
    @Test func junitEscapesWhatXMLDoesNotTake() {
        let text = JUnitReport.text(report)
        #expect(text.contains(#"tests="4" failures="1" errors="0" skipped="1" time="1.5""#))
        #expect(text.contains(#"message="&lt;b&gt;\u{1b}&amp;\u{0}&apos;&quot;\u{fffe}""#))
        #expect(text.contains("warning: Rule &lt;of&gt; &quot;three&quot; &amp; so on"))
        #expect(text.contains("left behind: &apos;v&apos;: &lt;busy&gt;"))
        #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" || $0.value == 0xFFFE })
    }

    @Test func everyCheckHasAnIDOfItsOwnAndSaysWhatItIs() {
        #expect(Set(Check.all.map(\.id)).count == Check.all.count)
        for check in Check.all {
            let isID = check.id.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || "-.".contains($0)) }
            #expect(isID, "\(check.id)")
            #expect(check.title.first?.isUppercase == true || check.title.first == "'", "\(check.title)")
            #expect(check.title.last != "." && !check.source.isEmpty)
        }
    }
}
