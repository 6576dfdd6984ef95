// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginClient

extension PluginCommand {
    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "disable", abstract: "Have the engine stop a managed plugin.")

        @Argument(help: "The plugin's name or ID.")
        var plugin: String

        @Flag(help: "Stop it even if it is in use.")
        var force = false

        func run() async throws {
            try await reportingFailure {
                let found = try await managedPlugin(plugin)
                // What is disabled already is refused in the same way.
                let isHelped = !force && found.plugin.isEnabled
                try await hinting(isHelped ? "to stop it all the same, add --force" : nil) {
                    try await found.plugins.disable(found.plugin.id, force: force)
                }
                print("disabled '\(found.plugin.name)'")
            }
        }
    }
}
