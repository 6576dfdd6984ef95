// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// What all torture tests share: how long they go on, and the table of what came of it.
package enum Torture {
    /// Whether all of it is wanted (`make torture`), and not the short form of `make test`.
    package static let isFull = ProcessInfo.processInfo.environment["TORTURE"] == "full"

    /// How something went wrong.
    package enum Loss: String, CaseIterable, Sendable {
        /// Acknowledged, and not so.
        case lost
        /// There, and nobody's: a mount, a loop device, half of a volume, a descriptor.
        case leaked
        /// No answer within the engine's limits.
        case hung
        /// An answer that is wrong, or says no without the reason.
        case wrong
    }

    /// Prints a row of the table; `Tests/run` gathers them.
    ///
    /// - Parameters:
    ///   - fault: What was tried.
    ///   - times: How often.
    ///   - acknowledged: How many calls were acknowledged meanwhile, whose results were all compared.
    ///   - losses: What came of it.
    package static func note(_ fault: String, times: Int, acknowledged: Int, _ losses: [Loss]) {
        let counts = Loss.allCases.map { loss in "\(losses.count { $0 == loss })" }
        print((["torture", fault, "\(times)", "\(acknowledged)"] + counts).joined(separator: "\t"))
    }
}
