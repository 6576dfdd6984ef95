// SPDX-License-Identifier: Apache-2.0

import Subprocess
import SystemPackage

/// What a finished program left behind.
struct CommandOutput: Sendable {
    let command: String
    /// As a shell has it: 128 and more when a signal ended the program.
    let exitCode: Int32
    let standardOutput: String
    let standardError: String

    var succeeded: Bool { exitCode == 0 }

    /// The standard output without the line ends it closes with; throws when the program failed.
    func get() throws -> String {
        guard succeeded else { throw CommandFailure(output: self) }
        return standardOutput.withoutFinalNewlines
    }
}

/// A program that should have succeeded and did not.
struct CommandFailure: Error, CustomStringConvertible {
    let output: CommandOutput

    var description: String {
        "'\(output.command)' ended with \(output.exitCode): \(output.standardError.withoutFinalNewlines)"
    }
}

extension String {
    var withoutFinalNewlines: String {
        String(self[..<(lastIndex { !$0.isNewline }.map(index(after:)) ?? startIndex)])
    }

    /// The lines that hold anything.
    var lines: [String] {
        split(whereSeparator: \.isNewline).map(String.init)
    }
}

/// Runs a program of this machine to its end; how it ended is up to the caller.
func runCommand(_ executable: FilePath, _ arguments: [String]) async throws -> CommandOutput {
    let result = try await run(
        .path(executable), arguments: Arguments(arguments), output: .string(limit: 16 << 20),
        error: .string(limit: 16 << 20))
    let exitCode =
        switch result.terminationStatus {
        case .exited(let code): code
        case .signaled(let signal): 128 + signal
        }
    return CommandOutput(
        command: ([executable.lastComponent?.string ?? executable.string] + arguments).joined(separator: " "),
        exitCode: exitCode, standardOutput: result.standardOutput, standardError: result.standardError)
}
