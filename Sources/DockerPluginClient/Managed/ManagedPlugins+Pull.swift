// SPDX-License-Identifier: Apache-2.0

import DockerPlugin

extension ManagedPlugins {
    /// How long an engine that pulls may say nothing: a slow registry, a large layer.
    private static let pullSilence = Duration.seconds(600)

    /// What a plugin in a registry asks for.
    ///
    /// An engine that cannot reach the registry says "nothing" rather than why; then ``pull(_:as:granting:progress:)``
    /// says why.
    ///
    /// - Parameter reference: The plugin: `example/plugin:1.0`, `localhost:5000/plugin`.
    /// - Returns: What it asks for, to be granted whole or not at all.
    /// - Throws: ``PluginClientError``.
    public func privileges(of reference: String) async throws -> [ManagedPluginPrivilege] {
        try PluginReference(reference).validate()
        let reply = try await api.call(
            "GET", "/plugins/privileges", query: [("remote", reference)], within: .seconds(300))
        return (try api.json(reply).array ?? []).compactMap { ManagedPluginPrivilege($0) }
    }

    /// Fetches a plugin from a registry; it is not enabled afterwards.
    ///
    /// - Parameters:
    ///   - reference: The plugin.
    ///   - name: The name that it is to have on this engine; nil for the reference.
    ///   - privileges: What it is granted: all that it asks for, or the engine refuses.
    ///   - progress: Told how far it has come.
    /// - Returns: The plugin.
    /// - Throws: ``PluginClientError``; the engine keeps nothing then.
    public func pull(
        _ reference: String, as name: String? = nil, granting privileges: [ManagedPluginPrivilege],
        progress: @Sendable (ManagedPluginProgress) -> Void = { _ in }
    ) async throws -> ManagedPlugin {
        try PluginReference(reference).validate()
        let name = name ?? PluginReference(reference).withoutDigest
        try PluginReference(name).validate()
        // What fails after the first byte was sent comes as the last of the values.
        var failure: String?
        try await api.follow(
            "/plugins/pull", query: [("remote", reference), ("name", name)],
            body: .array(privileges.map(\.json)), silence: Self.pullSilence
        ) { value in
            if let message = value["errorDetail"]?["message"]?.string ?? value["error"]?.string {
                failure = message
            } else {
                progress(ManagedPluginProgress(value))
            }
        }
        if let failure { throw PluginClientError(.refused, failure.oneLine) }
        return try await inspect(name)
    }
}
