// SPDX-License-Identifier: Apache-2.0

import Glibc
import Subprocess
import SystemPackage

/// One run of a helper program.
struct HelperRun: Sendable {
    /// How it ended.
    enum Ending: Hashable, Sendable {
        case exited(Int32)
        case signalled(Int32)
        /// Its time was up.
        case killed
    }

    /// How long a program has to end after TERM, and after KILL.
    private static let patience = (term: Duration.seconds(2), kill: Duration.seconds(3))

    let configuration: Configuration
    let input: FileDescriptor
    let output: HelperOutput
    let errors: HelperOutput
    let mark: HelperMark
    let deadline: ContinuousClock.Instant

    /// Runs the program.
    ///
    /// The task that waits for it outlives this call if the program cannot be ended, to take note of its end.
    func ending() async throws -> Ending {
        try await withCheckedThrowingContinuation { continuation in
            let answer = FirstAnswer(continuation)
            Task {
                do {
                    let result = try await Subprocess.run(
                        configuration,
                        input: .fileDescriptor(input, closeAfterSpawningProcess: true),
                        output: .fileDescriptor(output.descriptor, closeAfterSpawningProcess: false),
                        error: .fileDescriptor(errors.descriptor, closeAfterSpawningProcess: false)
                    ) { execution in
                        // Until this returns, the process is not waited for and its number not used again.
                        let process = execution.processIdentifier
                        let wasKilled = await BlockingWork.run { attend(process) }
                        if wasKilled { answer.give(.success(.killed)) }
                    }
                    switch result.terminationStatus {
                    case .exited(let status): answer.give(.success(.exited(status)))
                    case .signaled(let signal): answer.give(.success(.signalled(signal)))
                    }
                } catch {
                    answer.give(.failure(error))
                }
            }
        }
    }

    /// Waits for the program, or ends it at the deadline.
    ///
    /// - Returns: Whether its time was up.
    private func attend(_ process: ProcessIdentifier) -> Bool {
        if Self.wait(for: process, until: deadline) {
            // A program that failed leaves nothing of its own behind; one that succeeded may.
            if !Self.succeeded(process) { killAll(process) }
            return false
        }
        kill(-process.value, SIGTERM)
        _ = Self.wait(for: process, until: .now + Self.patience.term)
        killAll(process)
        _ = Self.wait(for: process, until: .now + Self.patience.kill)
        return true
    }

    /// Ends the program with all that it has started, be it in other sessions.
    private func killAll(_ process: ProcessIdentifier) {
        kill(-process.value, SIGKILL)
        mark.killBearers()
    }

    /// Whether a process ends before an instant.
    private static func wait(for process: ProcessIdentifier, until end: ContinuousClock.Instant) -> Bool {
        var descriptor = pollfd(fd: process.processDescriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let left = end - .now
            let milliseconds = max(
                0, left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000)
            let count = poll(&descriptor, 1, CInt(clamping: milliseconds))
            if count > 0 { return true }
            if left <= .milliseconds(1) { return false }
        }
    }

    /// Whether a process that ended did so with status 0.
    ///
    /// It still can be waited for.
    private static func succeeded(_ process: ProcessIdentifier) -> Bool {
        var information = siginfo_t()
        let result = waitid(P_PIDFD, id_t(process.processDescriptor), &information, WEXITED | WNOWAIT | WNOHANG)
        return result == 0 && information.si_code == CInt(CLD_EXITED)
            && information._sifields._sigchld.si_status == 0
    }
}
