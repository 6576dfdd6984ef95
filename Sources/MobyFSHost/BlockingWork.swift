// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import Synchronization

/// Threads for work that blocks: fsync(2), mount(2), reading /proc.
///
/// Such work never runs on the threads that Swift's tasks share, where one hung disk would stop every task; and
/// each piece of it has a thread to itself at once, so that one hung disk holds up nothing on another. Dispatch
/// promises neither.
package enum BlockingWork {
    private static let threads = ThreadCache()

    /// Runs `body` on a thread of its own and suspends until it is done.
    package static func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            threads.run { continuation.resume(with: Swift.Result(catching: body)) }
        }
    }

    /// The same for what cannot fail.
    package static func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            threads.run { continuation.resume(returning: body()) }
        }
    }
}

/// Threads that wait a while for more work before they end.
private final class ThreadCache: Sendable {
    /// So many volumes can hang before work on others has to wait.
    private static let limit = 512
    private static let patience = DispatchTimeInterval.seconds(10)

    private struct State {
        var jobs: [@Sendable () -> Void] = []
        var threads = 0
        var idle = 0
    }

    private let state = Mutex(State())
    private let arrivals = DispatchSemaphore(value: 0)

    func run(_ job: @escaping @Sendable () -> Void) {
        let needsThread = state.withLock { state in
            state.jobs.append(job)
            guard state.jobs.count > state.idle, state.threads < Self.limit else { return false }
            state.threads += 1
            return true
        }
        arrivals.signal()
        if needsThread, !startThread() {
            // The system has no thread to spare: one of Dispatch's has to do.
            DispatchQueue.global().async { self.work() }
        }
    }

    /// Starts a thread.
    ///
    /// - Returns: Whether the system gave one.
    private func startThread() -> Bool {
        var thread = pthread_t()
        let cache = Unmanaged.passRetained(self)
        let failure = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<ThreadCache>.fromOpaque(argument).takeRetainedValue().work()
                return nil
            }, cache.toOpaque())
        guard failure == 0 else {
            cache.release()
            return false
        }
        pthread_detach(thread)
        return true
    }

    private func work() {
        while true {
            state.withLock { $0.idle += 1 }
            let outcome = arrivals.wait(timeout: .now() + Self.patience)
            let (job, isOver) = state.withLock { state -> ((@Sendable () -> Void)?, Bool) in
                state.idle -= 1
                if outcome == .success { return (state.jobs.isEmpty ? nil : state.jobs.removeFirst(), false) }
                guard state.jobs.isEmpty else { return (nil, false) }
                state.threads -= 1
                return (nil, true)
            }
            job?()
            if isOver { return }
        }
    }
}
