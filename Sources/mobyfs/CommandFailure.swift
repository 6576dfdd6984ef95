// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginClient
import DockerPluginDiscovery
import Glibc
import MobyFSHost

/// What a command could not do.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String
    /// The exit status.
    let status: Int32

    init(_ description: String, status: Int32 = 1) {
        self.description = description
        self.status = status
    }
}

extension ExitCode {
    /// That of a command line or a configuration which makes no sense.
    static let senseless = ExitCode(2)
}

/// Does something with each of what was named; one that it cannot be done with does not keep the others.
///
/// - Returns: Whether it was done with all.
/// - Throws: What `body` throws if the daemon cannot be asked.
func each(of names: [String], _ body: (String) async throws -> Void) async throws -> Bool {
    var isComplete = true
    for name in names {
        do {
            try await body(name)
        } catch let error as CommandFailure where error.status == 1 {
            TerminalText.complain("mobyfs: \(error)")
            isComplete = false
        }
    }
    return isComplete
}

/// Says on standard error what went wrong, and gives it the exit status that it has in all commands.
func reportingFailure(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch let error as CommandFailure {
        TerminalText.complain("mobyfs: \(error.description)")
        throw ExitCode(error.status)
    } catch let error as PluginClientError {
        TerminalText.complain("mobyfs: \(error)")
        throw ExitCode(error.status == nil && error.code != .refused || error.status == 404 ? 2 : 1)
    } catch let error as ValidationError {
        TerminalText.complain("mobyfs: \(error.message)")
        throw ExitCode.senseless
    } catch let error as Interruption {
        error.end()
    } catch let error as TarProgram.Failure where error.reason == .closedPipe {
        // As of any program in a pipe whose end is gone.
        Interruption.end(by: SIGPIPE)
    } catch let error as TarProgram.Failure {
        TerminalText.complain("mobyfs: \(error)")
        throw ExitCode.failure
    } catch let error as HelperError {
        TerminalText.complain("mobyfs: \(error)")
        throw ExitCode.failure
    } catch let error as SpecFileError {
        TerminalText.complain("mobyfs: \(error)")
        throw ExitCode.failure
    }
}
