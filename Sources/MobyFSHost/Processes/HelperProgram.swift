// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import Synchronization
package import SystemPackage

/// A program of the host, run without a shell and for a bounded time.
package struct HelperProgram: Hashable, Sendable {
    package let name: String
    /// The Debian package that has it.
    package let package: String

    private let folders: [FilePath]

    /// Names a program.
    ///
    /// - Parameters:
    ///   - name: Its name, without a folder.
    ///   - package: The Debian package that has it.
    ///   - folders: Where it may be, besides ``standardFolders``.
    package init(_ name: String, package: String, folders: [FilePath] = []) {
        self.name = name
        self.package = package
        self.folders = folders + Self.standardFolders
    }

    /// The folders of `PATH`, then those where Debian has programs of the administrator.
    package static let standardFolders: [FilePath] = {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let given = path.split(separator: ":").map { FilePath(String($0)) }.filter(\.isAbsolute)
        let standard: [FilePath] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
        return given + standard.filter { !given.contains($0) }
    }()

    /// Where the program is; nil if it is nowhere.
    ///
    /// Blocks.
    package func locate() -> FilePath? {
        guard !name.isEmpty, !name.contains("/"), !name.utf8.contains(0) else { return nil }
        return folders.map { $0.appending(name) }.first { path in
            var status = stat()
            return stat(path.string, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
                && access(path.string, X_OK) == 0
        }
    }

    /// Runs the program to its end.
    ///
    /// It has a session of its own, no descriptor but the standard ones, `LC_ALL=C`, and the daemon's environment but
    /// for what systemd told the daemon alone. A daemon that it leaves behind goes on. Cancelling the caller's task does
    /// nothing to it. At the deadline its whole process group is ended; if not even that helps, for it hangs in the
    /// kernel, nobody waits for it any longer.
    ///
    /// - Parameters:
    ///   - arguments: Its arguments, without its name; anybody on the host can read them.
    ///   - calledAs: The name it is to see as its own, for programs that do other things under other names.
    ///   - input: What it finds at its standard input, at most 64 KiB. It is gone once it was read.
    ///   - environment: What to add to its environment.
    ///   - hidden: What an error must not show, whatever the program says.
    ///   - isExcused: Whether it has done its work all the same, by its status and what it says on standard error.
    ///   - deadline: When to end it.
    /// - Returns: Its standard output, at most 1 MiB.
    /// - Throws: ``HelperError`` if it is not there, does not succeed or is ended; ``SystemCallError`` if it cannot run.
    @discardableResult
    package func run(
        _ arguments: [String], calledAs: String? = nil, input: [UInt8] = [], environment: [String: String] = [:],
        hiding hidden: [String] = [],
        excusing isExcused: (_ status: Int32, _ errors: String) -> Bool = { _, _ in false },
        until deadline: ContinuousClock.Instant
    ) async throws -> String {
        guard let path = await BlockingWork.run({ locate() }) else {
            throw HelperError(program: name, package: package, reason: .missing)
        }
        guard !arguments.contains(where: { $0.utf8.contains(0) }) else {
            throw SystemCallError("run '\(name)'", .invalidArgument)
        }
        guard deadline > .now else { throw HelperError(program: name, package: package, reason: .timedOut(seconds: 0)) }
        let mark = HelperMark()
        let environment = Self.environment(
            from: ProcessInfo.processInfo.environment, folders: folders,
            adding: environment.merging(mark.environment) { _, own in own })
        let (output, errors) = (try HelperOutput(), try HelperOutput())
        let seconds = (deadline - .now + .milliseconds(999)).components.seconds
        let run = HelperRun(
            command: ChildProcess.Command(
                path: path, arguments: [calledAs ?? path.string] + arguments, environment: environment,
                hasOwnSession: true),
            input: try Self.pipe(holding: input), output: output, errors: errors, mark: mark, deadline: deadline)

        let reason: HelperError.Reason
        switch try await run.ending() {
        case .ended(.exited(0)): return output.text
        case .ended(.exited(let status)):
            if isExcused(status, errors.text) { return output.text }
            reason = .failed(status: status)
        case .ended(.signalled(let signal)): reason = .signalled(signal)
        case .killed: reason = .timedOut(seconds: seconds)
        }
        let said = errors.lastLines(hiding: hidden)
        throw HelperError(
            program: name, package: package, reason: reason,
            lines: said.isEmpty ? output.lastLines(hiding: hidden) : said)
    }

    /// The environment of a helper.
    ///
    /// - Parameters:
    ///   - own: The daemon's.
    ///   - folders: What is `PATH` to be.
    ///   - more: What to add.
    /// - Returns: All of it.
    package static func environment(
        from own: [String: String], folders: [FilePath], adding more: [String: String]
    ) -> [String: String] {
        var environment = own.filter { name, _ in !ownVariables.contains(name) && !name.hasPrefix("MOBYFS_") }
        environment["PATH"] = folders.map(\.string).joined(separator: ":")
        // Older systemd sets it for users other than root alone.
        environment["HOME"] = environment["HOME"] ?? "/root"
        environment["LC_ALL"] = "C"
        return environment.merging(more) { _, given in given }
    }

    /// What systemd says to the daemon, and a helper must not answer.
    private static let ownVariables: Set<String> = [
        "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "WATCHDOG_PID",
        "WATCHDOG_USEC", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM", "INVOCATION_ID", "FDSTORE", "MAINPID",
        "LANG", "LANGUAGE",
    ]

    /// /dev/null, or the reading end of a pipe that has `bytes` in it and no writer.
    private static func pipe(holding bytes: [UInt8]) throws -> FileDescriptor {
        guard !bytes.isEmpty else {
            return try naming("open '/dev/null'") { try .open("/dev/null", .readOnly, options: .closeOnExec) }
        }
        let (reading, writing) = try naming("pipe") { try FileDescriptor.pipe() }
        defer { close(writing.rawValue) }
        do {
            try check(fcntl(reading.rawValue, F_SETFD, FD_CLOEXEC), "fcntl")
            try check(fcntl(writing.rawValue, F_SETFD, FD_CLOEXEC), "fcntl")
            // Rather too little than waiting for nobody to read.
            try check(fcntl(writing.rawValue, F_SETFL, O_NONBLOCK), "fcntl")
            let count = try check(write(writing.rawValue, bytes, bytes.count), "write to a pipe")
            guard count == bytes.count else { throw SystemCallError("write to a pipe", .fileTooLarge) }
        } catch {
            close(reading.rawValue)
            throw error
        }
        return reading
    }
}
