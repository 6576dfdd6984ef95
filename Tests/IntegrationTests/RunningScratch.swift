// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import Subprocess
import SystemPackage

/// The example plugin, running in a process of its own with folders of its own.
struct RunningScratch: Sendable {
    let root: FilePath
    let processID: pid_t

    static let binary = RunningDaemon.binary.removingLastComponent().appending("scratch")

    var socket: FilePath { root.appending("scratch.sock") }
    var specFile: FilePath { root.appending("specs/scratch.spec") }
    static func log(in root: FilePath) -> FilePath { root.appending("scratch.log") }

    /// Sends one call over a connection of its own and returns the body of the answer.
    func call(_ method: String, _ body: String, at socket: FilePath? = nil) async throws -> String {
        let answer = try await Wire(socket ?? self.socket).exchange(Wire.post("/\(method)", body))
        guard let split = answer.firstRange(of: "\r\n\r\n") else { return answer }
        return String(answer[split.upperBound...])
    }

    func send(_ signal: CInt) {
        kill(processID, signal)
    }

    /// Waits until something is so, ten seconds at most.
    func wait(_ what: String, until condition: @Sendable () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(90)
        while !condition() {
            guard ContinuousClock.now < deadline else {
                throw RunningDaemon.NeverHappened(what: what, output: try Self.log(in: root).text)
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}

/// Runs `body` with the plugin, which is told to stop afterwards unless `body` has ended it.
///
/// - Parameters:
///   - root: Where its folders are.
///   - launcher: What starts the plugin, with arguments; its command line comes behind.
///   - body: The test.
/// - Returns: How the process ended.
/// - Throws: What `body` throws.
@discardableResult
func withScratch(
    in root: FilePath, launcher: [String] = [], _ body: @escaping @Sendable (RunningScratch) async throws -> Void
) async throws -> TerminationStatus {
    let command = launcher + [RunningScratch.binary.string, "--root", "\(root)", "--spec-dir", "\(root)/specs"]
    let log = try FileDescriptor.open(
        RunningScratch.log(in: root), .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
    let outcome = try await run(
        .path(FilePath(command[0])), arguments: Arguments(Array(command.dropFirst())), input: .none,
        output: .fileDescriptor(log, closeAfterSpawningProcess: true), error: .combinedWithOutput
    ) { execution -> Result<Void, any Error> in
        let plugin = RunningScratch(root: root, processID: execution.processIdentifier.value)
        defer { plugin.send(SIGTERM) }
        do {
            // The file is written when the plugin listens; a passed socket is open before.
            if launcher.isEmpty { try await plugin.wait("the plugin is ready") { plugin.specFile.exists } }
            return .success(try await body(plugin))
        } catch {
            return .failure(error)
        }
    }
    try outcome.closureResult.get()
    return outcome.terminationStatus
}
