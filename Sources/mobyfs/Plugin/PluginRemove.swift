// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginClient

extension PluginCommand {
    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm",
            abstract: "Remove a managed plugin, or else a plugin's spec file.")

        @Argument(help: "The plugin's name; of a managed one also its ID.")
        var plugin: String

        @Flag(help: "Remove a managed plugin even if it is in use, and a spec file even if mobyfs did not write it.")
        var force = false

        @OptionGroup var place: SpecPlace

        func run() async throws {
            try await reportingFailure {
                let installer = try place.installer()
                let removal = try await hinting(force ? nil : "disable it first, or do it all the same with --force") {
                    try await installer.remove(plugin, force: force)
                }
                print(
                    removal.files.isEmpty
                        ? "removed the managed plugin '\(removal.name)'"
                        : "removed \(removal.files.map { "'\($0)'" }.joined(separator: " and ")); the plugin itself "
                            + "was left alone")
            }
        }
    }
}
