// SPDX-License-Identifier: Apache-2.0

import SystemPackage

extension BlockingWork {
    /// Runs `body` on a thread of its own, and waits for it no longer than to the deadline.
    ///
    /// For work on file systems whose server may be dead: nothing ends it, so it goes on after this has thrown.
    ///
    /// - Parameters:
    ///   - deadline: How long to wait.
    ///   - call: What is tried, for the error.
    ///   - body: The work.
    /// - Returns: What `body` does.
    /// - Throws: What `body` does, or ``SystemCallError`` with `timedOut`.
    package static func run<Result: Sendable>(
        until deadline: ContinuousClock.Instant, _ call: String, _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await firstAnswer(call) { answer in
            start { answer.give(Swift.Result(catching: body)) }
            return deadline
        }
    }

    /// Waits for work that goes on, no longer than to the deadline.
    ///
    /// - Parameters:
    ///   - task: The work.
    ///   - deadline: How long to wait.
    ///   - call: What is tried, for the error.
    /// - Returns: What the work does.
    /// - Throws: What the work does, or ``SystemCallError`` with `timedOut`.
    package static func value<Result: Sendable>(
        of task: Task<Result, any Error>, until deadline: ContinuousClock.Instant, _ call: String
    ) async throws -> Result {
        try await firstAnswer(call) { answer in
            Task { answer.give(await task.result) }
            return deadline
        }
    }

    /// Waits for what `begin` sees to, no longer than it says.
    ///
    /// - Parameters:
    ///   - call: What is tried, for the error.
    ///   - begin: Begins what gives the answer, without blocking, and returns how long to wait for it.
    /// - Returns: The answer.
    /// - Throws: The answer, or ``SystemCallError`` with `timedOut`.
    static func firstAnswer<Result: Sendable>(
        _ call: String, _ begin: (FirstAnswer<Result>) -> ContinuousClock.Instant
    ) async throws -> Result {
        var alarm: Alarm?
        defer { alarm?.cancel() }
        return try await withCheckedThrowingContinuation { continuation in
            let answer = FirstAnswer(continuation)
            let deadline = begin(answer)
            alarm = Alarm(at: deadline) { answer.give(.failure(SystemCallError(call, .timedOut))) }
        }
    }
}
