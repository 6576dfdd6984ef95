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

/// Says what would help where the engine refuses something for the state that a plugin is in.
func hinting<Result>(_ hint: String?, _ body: () async throws -> Result) async throws -> Result {
    do {
        return try await body()
    } catch let error as PluginClientError where error.status == 409 && hint != nil {
        throw CommandFailure("\(error): \(hint ?? "")")
    }
}
