// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What was tried, how often, and what was lost; printed once all of it is over.
final class TortureTable: Sendable {
    enum Loss: String, CaseIterable {
        /// Acknowledged, and not so.
        case lost
        /// There, and nobody's: a mount, a loop device, half of a volume.
        case leaked
        /// No answer within the engine's limits.
        case hung
        /// An answer that says no without a reason.
        case refused
    }

    private struct Row {
        var times = 0
        var acknowledged = 0
        var losses: [Loss: Int] = [:]
    }

    static let shared = TortureTable()

    private let rows = Mutex<[(fault: String, row: Row)]>([])

    func note(_ fault: String, times: Int, acknowledged: Int, _ losses: [Loss]) {
        var row = Row(times: times, acknowledged: acknowledged)
        for loss in losses { row.losses[loss, default: 0] += 1 }
        rows.withLock { $0.append((fault, row)) }
        print(Self.line(["fault", "times", "acknowledged"] + Loss.allCases.map(\.rawValue)))
        print(
            Self.line(
                [fault, "\(times)", "\(acknowledged)"] + Loss.allCases.map { "\(row.losses[$0, default: 0])" }))
    }

    private static func line(_ cells: [String]) -> String {
        zip(cells, [44, 8, 14, 8, 8, 8, 8]).map { cell, width in
            cell + String(repeating: " ", count: max(1, width - cell.count))
        }.joined()
    }
}
