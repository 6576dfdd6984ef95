// SPDX-License-Identifier: Apache-2.0

package import DockerPlugin

/// Results for programs.
package enum JSONReport {
    /// All there is to tell.
    package static func value(_ report: ConformanceReport) -> JSONValue {
        [
            "plugin": .string(report.plugin), "address": .string(report.address),
            "destructive": .bool(report.isDestructive), "seconds": .number(report.duration.seconds),
            "checks": .array(report.results.map(value)),
            "summary": .object(
                Dictionary(
                    uniqueKeysWithValues: CheckResult.Outcome.allCases.map {
                        ($0.rawValue, .integer(Int64(report.count($0))))
                    })),
            "leftovers": .array(report.leftovers.map { .string($0) }),
        ]
    }

    /// What a check looks at.
    package static func value(_ check: Check) -> JSONValue { .object(members(check)) }

    private static func value(_ result: CheckResult) -> JSONValue {
        let own: [String: JSONValue] = [
            "outcome": .string(result.outcome.rawValue), "evidence": .string(result.evidence),
            "seconds": .number(result.duration.seconds),
        ]
        return .object(members(result.check).merging(own) { $1 })
    }

    private static func members(_ check: Check) -> [String: JSONValue] {
        [
            "id": .string(check.id), "title": .string(check.title), "source": .string(check.source),
            "severity": .string(check.severity.rawValue), "destructive": .bool(check.isDestructive),
        ]
    }
}

extension Duration {
    /// To the millisecond.
    var seconds: Double {
        Double(components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000) / 1000
    }
}
