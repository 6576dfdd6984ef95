// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginClient
import DockerPluginDiscovery
import FoundationEssentials

// What the commands that install and remove plugins have in common.

/// Finds a managed plugin, or says what to do with another.
func managedPlugin(_ name: String) async throws -> (plugins: ManagedPlugins, plugin: ManagedPlugin) {
    let plugins = try ManagedPlugins(environment: ProcessInfo.processInfo.environment)
    guard let plugin = try await plugins.find(name) else {
        throw CommandFailure(
            "there is no managed plugin '\(name)'; a program with a socket or a spec file is not enabled and disabled "
                + "but started and stopped", status: 2)
    }
    return (plugins, plugin)
}

/// Says on standard error what went wrong, and gives it the exit status that it has in all commands on plugins.
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
        throw ExitCode.validationFailure
    } catch let error as SpecFileError {
        TerminalText.complain("mobyfs: \(error)")
        throw ExitCode.failure
    }
}

/// Says what would help where the engine refuses something for the state that a plugin is in.
func hinting<Result>(_ hint: String?, _ body: () async throws -> Result) async throws -> Result {
    do {
        return try await body()
    } catch let error as PluginClientError where error.status == 409 && hint != nil {
        throw CommandFailure("\(error): \(hint ?? "")")
    }
}

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
