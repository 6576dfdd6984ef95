// SPDX-License-Identifier: Apache-2.0

import DockerPluginClient
import DockerPluginDiscovery
import Glibc

extension PluginCommand.List {
    /// The managed plugins of the engine on this host, or none if there is no engine.
    func managedPlugins(until end: ContinuousClock.Instant) async throws -> [ListedPlugin] {
        guard access(engineSocket, F_OK) == 0 else { return [] }
        let engine = ManagedPlugins(engine: PluginEndpoint(PluginAddress(socket: engineSocket)))
        let timeout = CommandFailure("the Docker Engine at '\(engineSocket)' did not answer in time", status: 2)
        return try await withTimeLimit(end - .now, timeout) { try await engine.list() }.map(ListedPlugin.init(managed:))
    }
}

extension ListedPlugin {
    /// What an engine tells of a managed plugin.
    init(managed plugin: ManagedPlugin) {
        self.init(
            name: plugin.name, kind: "managed", address: plugin.isEnabled ? "\(plugin.address)" : "",
            state: plugin.isEnabled ? .enabled : .disabled, implements: plugin.interfaces)
    }
}
