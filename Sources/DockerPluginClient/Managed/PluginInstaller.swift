// SPDX-License-Identifier: Apache-2.0

public import DockerPluginDiscovery
import Glibc

/// Makes plugins known to the engine of this host, and takes them away again.
///
/// A plugin is either a program of the host's that listens somewhere, and the engine is told where by a spec file; or
/// a managed one, which the engine fetches from a registry and runs itself.
public struct PluginInstaller: Sendable {
    /// What was removed.
    public struct Removal: Hashable, Sendable {
        /// The plugin's name; of a managed one the whole of it.
        public var name: String
        /// The spec files that were removed; none for a managed plugin.
        public var files: [String]
    }

    /// The managed plugins of the engine.
    public let managed: ManagedPlugins
    /// Where spec files go.
    public let specDirectory: String

    /// Names an engine; nothing is opened, read or written yet.
    ///
    /// - Parameters:
    ///   - managed: The engine's managed plugins.
    ///   - specDirectory: Where the engine looks for spec files.
    public init(managed: ManagedPlugins = ManagedPlugins(), specDirectory: String = "/etc/docker/plugins") {
        self.managed = managed
        self.specDirectory = specDirectory
    }

    // MARK: - Programs of the host

    /// Activates a plugin that listens already, as engines do, and then writes its spec file.
    ///
    /// - Parameters:
    ///   - name: The name that engines are to know the plugin by.
    ///   - endpoint: Where it listens.
    ///   - replacingOthers: Whether a file that somebody else wrote is replaced.
    /// - Returns: What it implements: `VolumeDriver`, for example.
    /// - Throws: ``PluginClientError`` if the plugin does not answer, or if a managed plugin of that name would be
    ///   taken in its place; `SpecFileError` if the file is somebody else's or cannot be written. Nothing is written
    ///   then.
    public func install(
        _ name: String, at endpoint: PluginEndpoint, replacingOthers: Bool = false
    ) async throws -> [String] {
        guard Self.isFileName(name) else {
            throw PluginClientError(
                .misconfigured, "'\(name.shown)' is no name for a plugin: no '/', no white space, no '.' in front")
        }
        // Without an engine there is no managed plugin either.
        if let other = try? await managed.find(name) {
            throw PluginClientError(
                .refused,
                "there is a managed plugin '\(other.name)', which engines prefer: remove it, or choose another name")
        }
        var configuration = PluginClient.Configuration()
        configuration.retries.limit = .seconds(4)
        configuration.callLimit = .seconds(30)
        let implements = try await PluginClient(endpoint, configuration: configuration).activate()
        try SpecFile(name: name, directory: specDirectory).write(endpoint, replacingOthers: replacingOthers)
        return implements
    }

    // MARK: - Managed plugins

    /// Has the engine fetch a plugin, set it and enable it.
    ///
    /// What fails after it was fetched leaves it on the engine, not enabled.
    ///
    /// - Parameters:
    ///   - reference: The plugin in a registry.
    ///   - name: The name that it is to have on this engine; nil for the reference.
    ///   - settings: `KEY=VALUE` each.
    ///   - enables: Whether it is enabled.
    ///   - progress: Told how far fetching it has come.
    ///   - consent: Asked whether the plugin may have what it asks for; not asked if it asks for nothing.
    /// - Returns: The plugin, or nil if consent was not given.
    /// - Throws: ``PluginClientError``.
    public func install(
        _ reference: String, as name: String? = nil, settings: [String] = [], enables: Bool = true,
        progress: @Sendable (ManagedPluginProgress) -> Void = { _ in },
        consent: ([ManagedPluginPrivilege]) async throws -> Bool
    ) async throws -> ManagedPlugin? {
        let privileges = try await managed.privileges(of: reference)
        if !privileges.isEmpty, try await !consent(privileges) { return nil }
        let plugin = try await managed.pull(reference, as: name, granting: privileges, progress: progress)
        do {
            if !settings.isEmpty { try await managed.set(plugin.id, settings) }
            if enables { try await managed.enable(plugin.id) }
        } catch let error as PluginClientError {
            throw PluginClientError(
                error.code, "plugin '\(plugin.name)' was fetched but is not enabled: \(error)", status: error.status)
        }
        return try await managed.inspect(plugin.id)
    }

    // MARK: - Either

    /// Removes a plugin: a managed one, which engines prefer, or else its spec files.
    ///
    /// - Parameters:
    ///   - name: The plugin's name.
    ///   - force: Whether a managed plugin is removed even if it is enabled or in use, and a spec file even if it
    ///     was written by somebody else.
    /// - Returns: What was removed.
    /// - Throws: ``PluginClientError`` with status 404 if there is no plugin of that name; `SpecFileError`.
    public func remove(_ name: String, force: Bool = false) async throws -> Removal {
        let file = SpecFile(name: name, directory: specDirectory)
        let existing = Self.isFileName(name) ? SpecFile.Form.allCases.map(file.path).filter(Self.exists) : []
        do {
            if let plugin = try await managed.find(name) {
                try await managed.remove(plugin.id, force: force)
                return Removal(name: plugin.name, files: [])
            }
        } catch let error as PluginClientError where error.code == .unreachable && !existing.isEmpty {
            // An engine that does not run keeps nobody from taking a file away.
        }
        guard let first = existing.first else {
            throw PluginClientError(
                .refused, "there is no managed plugin '\(name)', and no spec file of that name in '\(specDirectory)'",
                status: 404)
        }
        let removed = try file.remove(includingOthers: force)
        guard !removed.isEmpty else {
            throw PluginClientError(.refused, "'\(first)' was not written by mobyfs: --force removes it all the same")
        }
        return Removal(name: name, files: removed)
    }

    private static func isFileName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count < 200 && !name.hasPrefix(".") && !name.contains("/")
            && !name.utf8.contains { $0 <= 0x20 || $0 == 0x7F }
    }

    private static func exists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }
}
