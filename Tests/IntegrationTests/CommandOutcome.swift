// SPDX-License-Identifier: Apache-2.0

import MobyFSTesting
import Subprocess
import SystemPackage

/// What a command of the built program printed, its two outputs apart.
struct CommandOutcome: Hashable {
    let status: Int32
    let output: String
    let complaints: String

    /// A command that succeeded and complained of nothing.
    static func success(_ output: String) -> CommandOutcome {
        CommandOutcome(status: 0, output: output, complaints: "")
    }

    private init(status: Int32, output: String, complaints: String) {
        self.status = status
        self.output = output
        self.complaints = complaints
    }

    /// Runs the program to its end, with nothing to read.
    ///
    /// - Parameters:
    ///   - arguments: Its arguments.
    ///   - wrapper: A program that starts it, with its arguments.
    /// - Throws: An error if it cannot be started, or is ended by a signal.
    init(of arguments: [String], throughProgram wrapper: [String] = []) async throws {
        let command = wrapper + [RunningDaemon.binary.string] + arguments
        let result = try await run(
            command[0].hasPrefix("/") ? .path(FilePath(command[0])) : .name(command[0]),
            arguments: Arguments(Array(command.dropFirst())), workingDirectory: "/", output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20))
        guard case .exited(let status) = result.terminationStatus else { throw CancellationError() }
        self.status = status
        output = result.standardOutput
        complaints = result.standardError
    }
}
