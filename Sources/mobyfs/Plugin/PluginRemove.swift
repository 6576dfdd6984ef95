// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginClient
import DockerPluginDiscovery

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
                // What cannot be found by its name leads to no plugin that could be asked.
                let known = try? SpecFile(name: plugin, directory: place.directory()).lookUp().taken
                let removal = try await hinting(force ? nil : "disable it first, or do it all the same with --force") {
                    try await installer.remove(plugin, force: force)
                }
                print(
                    removal.files.isEmpty
                        ? "removed the managed plugin '\(removal.name)'"
                        : "removed \(removal.files.map { "'\($0)'" }.joined(separator: " and ")); the plugin itself "
                            + "was left alone")
                if let known, removal.files.contains(known.path), let endpoint = known.endpoint {
                    await warn(of: endpoint)
                }
            }
        }

        /// Says so if a plugin still listens where the file has led engines to.
        private func warn(of endpoint: PluginEndpoint) async {
            var configuration = PluginClient.Configuration()
            configuration.retries = .none
            configuration.callLimit = .seconds(2)
            // One that does not answer now may as well be gone.
            guard (try? await PluginClient(endpoint, configuration: configuration).activate()) != nil else { return }
            TerminalText.complain(
                "mobyfs: a plugin still listens at '\(endpoint.address)', and engines that look for '\(plugin)' do not "
                    + "find it: stop it, or write the file again with 'mobyfs spec write --name \(plugin) --address "
                    + "\(endpoint.address)'")
        }
    }
}
