// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import Synchronization
import SystemPackage

/// Work on file systems whose server may never answer, which has one thread for each of them at most.
///
/// Nothing ends a system call that hangs, so its thread is lost until the server answers. Without this, every Mount of
/// such a volume would lose one more, until there is none for the others.
final class PatientWork: Sendable {
    private let underWay = Mutex<Set<String>>([])

    /// Runs `body` on a thread of its own, and waits for it no longer than to the deadline.
    ///
    /// - Parameters:
    ///   - subject: What hangs if it hangs, such as a mountpoint.
    ///   - deadline: How long to wait.
    ///   - call: What is tried, for the error.
    ///   - body: The work.
    /// - Returns: What `body` does.
    /// - Throws: What `body` does, or ``SystemCallError`` with `timedOut`, at once if earlier work has still not ended.
    func run<Result: Sendable>(
        on subject: String, until deadline: ContinuousClock.Instant, _ call: String,
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        guard underWay.withLock({ $0.insert(subject).inserted }) else {
            throw SystemCallError("\(call), where an earlier attempt has had no answer yet", .timedOut)
        }
        return try await BlockingWork.run(until: deadline, call) { [self] in
            defer { _ = underWay.withLock { $0.remove(subject) } }
            return try body()
        }
    }
}
