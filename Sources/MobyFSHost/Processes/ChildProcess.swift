// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
import SystemPackage

/// A program that this process has started, without a shell.
///
/// Until ``waitForEnd()`` has returned, its number is no other's.
///
/// swift-subprocess is not used here: where this process has no descriptor left for the pidfd of a program, version 1.0.2
/// waits for ever for one that has ended, and starts none ever again if that was so the first time.
struct ChildProcess: Sendable {
    /// How one ended.
    enum Ending: Hashable, Sendable {
        case exited(Int32)
        case signalled(Int32)
    }

    /// What a program starts with, besides its descriptors.
    struct Command: Sendable {
        let path: FilePath
        /// With the name that it is to see as its own.
        let arguments: [String]
        let environment: [String: String]
        /// Whether it gets a session, and with that a process group, of its own.
        let hasOwnSession: Bool
    }

    let processID: pid_t

    /// Starts a program in `/`, with three descriptors and the signals as they are by default.
    ///
    /// Blocks until the program is read from its disk.
    ///
    /// - Parameters:
    ///   - command: The program.
    ///   - input: Its standard input.
    ///   - output: Its standard output.
    ///   - errors: Where its complaints go.
    /// - Throws: ``SystemCallError``.
    init(_ command: Command, input: FileDescriptor, output: FileDescriptor, errors: FileDescriptor) throws {
        var processID: pid_t = 0
        let environment = command.environment.map { "\($0)=\($1)" }
        let descriptors = [input, output, errors].map(\.rawValue)
        let result = Self.withCStrings(command.arguments) { arguments in
            Self.withCStrings(environment) { environment in
                mobyfs_spawn(
                    command.path.string, arguments, environment, descriptors, command.hasOwnSession ? 1 : 0, &processID)
            }
        }
        guard result == 0 else { throw SystemCallError("run '\(command.path)'", Errno(rawValue: result)) }
        self.processID = processID
    }

    /// Whether it ends before an instant.
    ///
    /// Blocks.
    func ends(before end: ContinuousClock.Instant) -> Bool {
        var descriptor = pollfd(fd: mobyfs_process_descriptor(processID), events: Int16(POLLIN), revents: 0)
        // This process has no descriptor left, or the kernel is older than 5.3: looking now and then has to do.
        guard descriptor.fd >= 0 else {
            while ending == nil {
                guard .now < end else { return false }
                usleep(20_000)
            }
            return true
        }
        defer { close(descriptor.fd) }
        while true {
            let left = end - .now
            guard left > .zero else { return false }
            let milliseconds = left / .milliseconds(1)
            // A day is long enough to look again, and fits.
            let result = poll(&descriptor, 1, CInt(min(max(milliseconds, 1), 86_400_000)))
            if result > 0 { return true }
        }
    }

    /// How it ended, if it has.
    var ending: Ending? { Self.ending(of: processID, WNOWAIT | WNOHANG) }

    /// Waits until it has ended; it still is there for ``waitForEnd()``.
    ///
    /// Blocks.
    func watch() {
        _ = Self.ending(of: processID, WNOWAIT)
    }

    /// Waits until it has ended, and lets go of its number.
    ///
    /// Blocks.
    func waitForEnd() -> Ending {
        // Nobody else waits for it, so that there is an ending.
        Self.ending(of: processID, 0) ?? .signalled(SIGKILL)
    }

    private static func ending(of processID: pid_t, _ options: CInt) -> Ending? {
        var information = siginfo_t()
        while waitid(P_PID, id_t(processID), &information, WEXITED | options) != 0 {
            guard errno == EINTR else { return nil }
        }
        guard information.si_signo == SIGCHLD else { return nil }
        let status = information._sifields._sigchld.si_status
        return information.si_code == CInt(CLD_EXITED) ? .exited(status) : .signalled(status)
    }

    private static func withCStrings<Result>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let copies = strings.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return body(copies + [nil])
    }
}
