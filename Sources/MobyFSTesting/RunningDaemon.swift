// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MobyFSHost
import Subprocess
package import SystemPackage

/// The built daemon, running in a process of its own with folders of its own.
package struct RunningDaemon: Sendable {
    package let root: FilePath
    package let processID: Int32

    package var data: FilePath { root.appending("data") }
    package var runtime: FilePath { root.appending("run") }
    package var socket: FilePath { root.appending("s.sock") }
    package var specDirectory: FilePath { root.appending("docker/plugins") }

    /// What the daemon has printed and logged so far.
    package var output: String {
        get throws { try root.appending("daemon.log").text }
    }

    /// The program that these tests are in.
    package static let testBundle: FilePath =
        CommandLine.arguments.lazy.compactMap { FilePath($0) }.first { $0.string.hasSuffix(".xctest") }
        ?? ".build/debug/mobyfsPackageTests.xctest"

    /// The binary that the package build has put beside the tests, or the one that TORTURE_BINARY names: one that was built
    /// for use takes a tenth of the time.
    package static let binary: FilePath =
        ProcessInfo.processInfo.environment["TORTURE_BINARY"].map { FilePath($0) }
        ?? testBundle.removingLastComponent().appending("mobyfs")

    package static func arguments(in root: FilePath) -> [String] {
        [
            "start", "--config", "/dev/null", "--data-dir", "\(root)/data", "--runtime-dir", "\(root)/run",
            "--spec-dir", "\(root)/docker/plugins",
        ]
    }

    package func connect() throws -> Wire { try Wire(socket) }

    /// Sends one call over a connection of its own and returns the body of the answer.
    package func call(_ method: String, _ body: String) async throws -> String {
        let answer = try await connect().exchange(Wire.post("/\(method)", body))
        guard let split = answer.firstRange(of: "\r\n\r\n") else { return answer }
        return String(answer[split.upperBound...])
    }

    package func send(_ signal: Int32) {
        kill(processID, signal)
    }

    /// Whether the process is there and has not ended.
    package var isRunning: Bool {
        // Behind the name, which is in parentheses; nothing, for a process that is gone.
        let state = (try? FilePath("/proc/\(processID)/stat").text)?.split(separator: ")").last?.dropFirst().first
        return state.map { $0 != "Z" } ?? false
    }

    /// Waits until something is so; a daemon that has ended, or gives no sign in time, gives none.
    package func wait(
        _ what: String, within patience: Duration = .seconds(90), until condition: @Sendable () throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + patience
        while true {
            // Asked first: the last it did before it ended may be what is waited for.
            let isOver = !isRunning || ContinuousClock.now >= deadline
            if try condition() { return }
            guard !isOver else { throw NeverHappened(what: what, output: try output) }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    package struct NeverHappened: Error {
        package let what: String
        package let output: String

        package init(what: String, output: String) {
            self.what = what
            self.output = output
        }
    }
}

/// Runs `body` with a daemon that has said it is ready; afterwards the daemon is told to stop, and must.
///
/// - Parameters:
///   - root: Where its folders are.
///   - arguments: More arguments for `mobyfs start`.
///   - environment: More variables.
///   - launcher: What starts the daemon, with arguments; the daemon's command line comes behind.
///   - patience: How long it may take to get ready.
///   - body: The test.
/// - Returns: What `body` returns.
/// - Throws: What `body` throws, and what the daemon printed if it does not get ready.
@discardableResult
package func withDaemon<Result: Sendable>(
    in root: FilePath, arguments: [String] = [], environment: [String: String] = [:], launcher: [String] = [],
    patience: Duration = .seconds(90), _ body: @escaping @Sendable (RunningDaemon) async throws -> Result
) async throws -> Result {
    var command = launcher + [RunningDaemon.binary.string] + RunningDaemon.arguments(in: root) + arguments
    let isActivated = launcher.first?.hasSuffix("socket-activate") == true
    if !isActivated, !arguments.contains("--port"), !arguments.contains("--listen") {
        command += ["--listen", "unix://\(root)/s.sock"]
    }
    let program = command.removeFirst()
    var variables: [Environment.Key: String?] = [:]
    for (name, value) in environment { variables[Environment.Key(stringLiteral: name)] = value }
    let log = try FileDescriptor.open(
        root.appending("daemon.log"), .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
    let outcome = try await run(
        program.hasPrefix("/") ? .path(FilePath(program)) : .name(program), arguments: Arguments(command),
        environment: .inherit.updating(variables), input: .none,
        output: .fileDescriptor(log, closeAfterSpawningProcess: true), error: .combinedWithOutput
    ) { execution -> Swift.Result<Result, any Error> in
        let daemon = RunningDaemon(root: root, processID: execution.processIdentifier.value)
        defer { daemon.send(SIGTERM) }
        do {
            if !isActivated {
                try await daemon.wait("the daemon is ready", within: patience) { try daemon.output.contains("ready") }
            }
            return .success(try await body(daemon))
        } catch {
            return .failure(error)
        }
    }
    return try outcome.closureResult.get()
}
