// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// One run of a helper program.
struct HelperRun: Sendable {
    /// How it ended.
    enum Ending: Hashable, Sendable {
        case ended(ChildProcess.Ending)
        /// Its time was up.
        case killed
    }

    /// How long a program has to end after TERM, and after KILL.
    private static let patience = (term: Duration.seconds(2), kill: Duration.seconds(3))

    let command: ChildProcess.Command
    /// Closed by the run.
    let input: FileDescriptor
    let output: HelperOutput
    let errors: HelperOutput
    let mark: HelperMark
    let deadline: ContinuousClock.Instant

    /// Runs the program.
    ///
    /// What waits for it outlives this call if the program cannot be ended, to take note of its end.
    func ending() async throws -> Ending {
        try await withCheckedThrowingContinuation { continuation in
            let answer = FirstAnswer(continuation)
            BlockingWork.start {
                do {
                    let process = try start()
                    if attend(process) { answer.give(.success(.killed)) }
                    answer.give(.success(.ended(process.waitForEnd())))
                } catch {
                    answer.give(.failure(error))
                }
            }
        }
    }

    private func start() throws -> ChildProcess {
        defer { close(input.rawValue) }
        return try ChildProcess(command, input: input, output: output.descriptor, errors: errors.descriptor)
    }

    /// Waits for the program, or ends it at the deadline.
    ///
    /// - Returns: Whether its time was up.
    private func attend(_ process: ChildProcess) -> Bool {
        if process.ends(before: deadline) {
            // A program that failed leaves nothing of its own behind; one that succeeded may.
            if process.ending != .exited(0) { killAll(process) }
            return false
        }
        kill(-process.processID, SIGTERM)
        _ = process.ends(before: .now + Self.patience.term)
        killAll(process)
        _ = process.ends(before: .now + Self.patience.kill)
        return true
    }

    /// Ends the program with all that it has started, be it in other sessions.
    private func killAll(_ process: ChildProcess) {
        kill(-process.processID, SIGKILL)
        mark.killBearers()
    }
}
