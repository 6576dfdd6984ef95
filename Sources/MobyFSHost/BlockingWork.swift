// SPDX-License-Identifier: Apache-2.0

import Dispatch

/// Threads for work that blocks: fsync(2), mount(2), reading /proc.
///
/// Such work never runs on the threads that Swift's tasks share, where one hung disk would stop every task.
package enum BlockingWork {
    private static let queue = DispatchQueue(label: "mobyfs.blocking", qos: .default, attributes: .concurrent)

    /// Runs `body` on a thread of its own and suspends until it is done.
    package static func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Swift.Result(catching: body)) }
        }
    }

    /// The same for what cannot fail.
    package static func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: body()) }
        }
    }
}
