// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
public import DockerPluginDiscovery

/// The plugins that a Docker Engine keeps and runs itself, seen and changed over its API.
///
/// Every call is one connection of its own. Where the engine refuses, the error has code `refused` and says what
/// the engine said.
public struct ManagedPlugins: Sendable {
    /// Where the engine listens.
    public let engine: PluginEndpoint
    let api: EngineAPI

    /// Names an engine; nothing is opened yet.
    ///
    /// - Parameter engine: Where it listens.
    public init(engine: PluginEndpoint = PluginEndpoint(PluginAddress(socket: "/var/run/docker.sock"))) {
        self.engine = engine
        api = EngineAPI(engine)
    }

    /// The plugins of the engine.
    ///
    /// - Returns: All of them, whether enabled or not.
    /// - Throws: ``PluginClientError``.
    public func list() async throws -> [ManagedPlugin] {
        let json = try api.json(try await api.call("GET", "/plugins"))
        return (json.array ?? []).compactMap { ManagedPlugin($0) }
    }

    /// What the engine knows of one plugin.
    ///
    /// - Parameter name: A name or an ID.
    /// - Returns: The plugin.
    /// - Throws: ``PluginClientError``, with status 404 if there is none.
    public func inspect(_ name: String) async throws -> ManagedPlugin {
        try PluginReference(name).validate()
        let json = try api.json(try await api.call("GET", "/plugins/\(name)/json"))
        guard let plugin = ManagedPlugin(json) else { throw api.badAnswer("it describes a plugin without a name") }
        return plugin
    }

    /// The plugin that goes by a name.
    ///
    /// Engines also take the first letters of an ID for a name, and so, if nobody is called `cafe`, a plugin with the
    /// ID `cafe0123…`. That is no answer here.
    ///
    /// - Parameter name: A name or an ID.
    /// - Returns: The plugin, or nil if there is none.
    /// - Throws: ``PluginClientError``.
    public func find(_ name: String) async throws -> ManagedPlugin? {
        do {
            let plugin = try await inspect(name)
            return plugin.goes(by: name) ? plugin : nil
        } catch let error as PluginClientError where error.status == 404 {
            return nil
        }
    }

    /// Changes settings of a plugin that is not enabled.
    ///
    /// - Parameters:
    ///   - name: A name or an ID.
    ///   - settings: `KEY=VALUE` each, of what its author made settable.
    /// - Throws: ``PluginClientError``.
    public func set(_ name: String, _ settings: [String]) async throws {
        try PluginReference(name).validate()
        _ = try await api.call("POST", "/plugins/\(name)/set", body: .array(settings.map { .string($0) }))
    }

    /// Starts a plugin, now and whenever the engine starts.
    ///
    /// - Parameters:
    ///   - name: A name or an ID.
    ///   - seconds: How long the engine waits for an answer of the plugin, now and at each later call.
    /// - Throws: ``PluginClientError``.
    public func enable(_ name: String, timeout seconds: Int = 30) async throws {
        try PluginReference(name).validate()
        _ = try await api.call(
            "POST", "/plugins/\(name)/enable", query: [("timeout", "\(seconds)")],
            within: .seconds(120) + .seconds(seconds))
    }

    /// Stops a plugin.
    ///
    /// - Parameters:
    ///   - name: A name or an ID.
    ///   - force: Whether even one that is in use is stopped.
    /// - Throws: ``PluginClientError``.
    public func disable(_ name: String, force: Bool = false) async throws {
        try PluginReference(name).validate()
        _ = try await api.call(
            "POST", "/plugins/\(name)/disable", query: force ? [("force", "1")] : [], within: .seconds(120))
    }

    /// Removes a plugin and all that it keeps in its own root folder.
    ///
    /// - Parameters:
    ///   - name: A name or an ID.
    ///   - force: Whether even one that is enabled or in use is removed.
    /// - Throws: ``PluginClientError``.
    public func remove(_ name: String, force: Bool = false) async throws {
        try PluginReference(name).validate()
        _ = try await api.call(
            "DELETE", "/plugins/\(name)", query: force ? [("force", "1")] : [], within: .seconds(120))
    }
}
