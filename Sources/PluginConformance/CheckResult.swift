// SPDX-License-Identifier: Apache-2.0

/// What came of a check.
package struct CheckResult: Sendable {
    /// How it ended.
    package enum Outcome: String, CaseIterable, Sendable {
        /// The rule is kept.
        case passed
        /// A required rule is broken.
        case failed
        /// An advised rule is broken.
        case warning
        /// It was not looked at, or could not be seen.
        case skipped
    }

    /// The evidence of a check that was not allowed to change anything.
    static let needsConsent = "needs --destructive: it makes and removes volumes"

    package let check: Check
    package let outcome: Outcome
    /// What was sent and what came back, or why nothing was: one line, fit for a terminal.
    package let evidence: String
    package let duration: Duration

    init(_ check: Check, _ outcome: Outcome, _ evidence: String, after duration: Duration = .zero) {
        self.check = check
        self.outcome = outcome
        self.evidence = evidence.printable()
        self.duration = duration
    }
}

/// What came of all checks.
package struct ConformanceReport: Sendable {
    /// The plugin's name, or its address.
    package let plugin: String
    package let address: String
    /// Whether checks that change volumes were allowed.
    package let isDestructive: Bool
    package let results: [CheckResult]
    /// Volumes that were made and could not be removed, each with the reason.
    package let leftovers: [String]
    package let duration: Duration

    package func count(_ outcome: CheckResult.Outcome) -> Int {
        results.count { $0.outcome == outcome }
    }

    /// Whether no required rule was seen broken.
    package var isConforming: Bool { count(.failed) == 0 }
}
