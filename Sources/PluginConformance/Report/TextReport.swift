// SPDX-License-Identifier: Apache-2.0

import DockerPluginClient

/// Results for people, a line each.
package enum TextReport {
    /// A line for a result.
    ///
    /// - Parameters:
    ///   - result: The result.
    ///   - isVerbose: Whether the evidence is told for rules that are kept, too.
    /// - Returns: The line, without its end.
    package static func line(_ result: CheckResult, isVerbose: Bool) -> String {
        let line = "\(word(result.outcome)) \(column(result.check.id)) \(result.check.title)"
        return result.outcome == .passed && !isVerbose ? line : "\(line): \(result.evidence)"
    }

    /// A line for a check, and one for where its rule comes from.
    package static func entry(_ check: Check) -> String {
        let needs =
            switch check.need {
            case .nothing, .plugin: "any plugin"
            case .volumePlugin: "volume plugins"
            case .consent: "volume plugins, with --destructive"
            }
        return "\(column(check.id)) \(check.title)\n\(column("")) \(check.severity.rawValue); \(needs); \(check.source)"
    }

    /// How it went, in a line.
    package static func summary(_ report: ConformanceReport) -> String {
        let destructive = report.results.count { $0.outcome == .skipped && $0.evidence == CheckResult.needsConsent }
        let hint = destructive > 0 ? " (\(destructive) of them need --destructive)" : ""
        return "\(report.plugin): \(report.count(.passed)) ok, \(report.count(.failed)) failed, "
            + "\(report.count(.warning)) warnings, \(report.count(.skipped)) skipped\(hint) in \(report.duration.inSeconds)"
    }

    private static func word(_ outcome: CheckResult.Outcome) -> String {
        switch outcome {
        case .passed: "ok  "
        case .failed: "FAIL"
        case .warning: "warn"
        case .skipped: "skip"
        }
    }

    private static let width = Check.all.map(\.id.utf8.count).max() ?? 0

    private static func column(_ id: String) -> String {
        id + String(repeating: " ", count: max(0, width - id.utf8.count))
    }
}
