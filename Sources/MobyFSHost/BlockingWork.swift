// SPDX-License-Identifier: Apache-2.0

/// Threads for work that blocks: fsync(2), mount(2), reading /proc.
///
/// Such work never runs on the threads that Swift's tasks share, where one hung disk would stop every task; and
/// each piece of it has a thread to itself at once, so that one hung disk holds up nothing on another. Dispatch
/// promises neither.
package enum BlockingWork {
    private static let threads = ThreadCache()

    /// Runs a task on such threads, each part of it on one until it has to wait.
    package static var executor: some TaskExecutor { threads }

    /// Runs `body` on a thread of its own and suspends until it is done; a task that has one already runs it there.
    package static func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        if ownsThread { return try threads.lettingOthersRun(body) }
        return try await withCheckedThrowingContinuation { continuation in
            start { continuation.resume(with: Swift.Result(catching: body)) }
        }
    }

    /// The same for what cannot fail.
    package static func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
        if ownsThread { return threads.lettingOthersRun(body) }
        return await withCheckedContinuation { continuation in
            start { continuation.resume(returning: body()) }
        }
    }

    /// Begins work on a thread of its own, and waits for nothing.
    static func start(_ body: @escaping @Sendable () -> Void) {
        threads.run(body)
    }

    /// Whether the task that asks may block the thread it is on.
    private static var ownsThread: Bool {
        withUnsafeCurrentTask { $0?.unownedTaskExecutor == threads.asUnownedTaskExecutor() }
    }
}
