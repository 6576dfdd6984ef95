// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginClient

extension PluginCommand {
    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "enable", abstract: "Have the engine run a managed plugin.")

        @Argument(help: "The plugin's name or ID.")
        var plugin: String

        @Option(help: "How many seconds the engine waits for an answer of the plugin.")
        var timeout = 30

        func validate() throws {
            guard (1...3600).contains(timeout) else {
                throw ValidationError("--timeout '\(timeout)' is no number of seconds from 1 to 3600")
            }
        }

        func run() async throws {
            try await reportingFailure {
                let found = try await managedPlugin(plugin)
                try await found.plugins.enable(found.plugin.id, timeout: timeout)
                print("enabled '\(found.plugin.name)'")
            }
        }
    }
}
