// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
public import DockerPluginDiscovery

/// A plugin that an engine keeps and runs itself, in a root folder of its own.
public struct ManagedPlugin: Hashable, Sendable {
    /// What the engine knows it by, unique among its plugins: 64 hexadecimal digits.
    public var id: String
    /// Its name on this engine, tag included: `example/plugin:latest`.
    public var name: String
    /// Where it came from, if the engine says: `docker.io/example/plugin:latest`.
    public var reference: String?
    /// What it is, in its author's words.
    public var summary: String
    /// Whether it runs.
    public var isEnabled: Bool
    /// What it says it implements: `docker.volumedriver/1.0`.
    public var interfaces: [String]
    /// The name of the socket that it makes.
    public var socket: String
    /// Its environment as it is set, `NAME=VALUE` each.
    public var environment: [String]

    /// Where it listens, while it is enabled, on the engine's host.
    public var address: PluginAddress { PluginAddress(socket: "/run/docker/plugins/\(id)/\(socket)") }

    /// Whether this is what a name means, and not just what has an ID that begins like it.
    ///
    /// - Parameter name: A name, with `latest` for the tag where there is none, or at least 12 digits of an ID.
    /// - Returns: Whether it is this plugin's.
    public func goes(by name: String) -> Bool {
        if name.utf8.count >= 12, id.hasPrefix(name) { return true }
        let tagged = PluginReference(name).tagged
        return self.name == name || PluginReference(self.name).tagged == tagged
    }
}

extension ManagedPlugin {
    /// Reads a plugin as engines describe it; nil if it has neither name nor ID.
    init?(_ json: JSONValue) {
        guard let id = json["Id"]?.string, let name = json["Name"]?.string, !id.isEmpty, !name.isEmpty else {
            return nil
        }
        self.id = id
        self.name = name
        reference = json["PluginReference"]?.string
        isEnabled = json["Enabled"] == .bool(true)
        let config = json["Config"]
        summary = config?["Description"]?.string ?? ""
        interfaces = config?["Interface"]?["Types"]?.array?.compactMap(Self.interface) ?? []
        socket = config?["Interface"]?["Socket"]?.string ?? ""
        environment = json["Settings"]?["Env"]?.array?.compactMap(\.string) ?? []
    }

    /// Engines of all ages read a text; some write its parts.
    private static func interface(_ json: JSONValue) -> String? {
        if let text = json.string { return text }
        guard let capability = json["Capability"]?.string else { return nil }
        return "\(json["Prefix"]?.string ?? "docker").\(capability)/\(json["Version"]?.string ?? "")"
    }
}

/// Something that a managed plugin wants of the host, beyond what any container may do.
public struct ManagedPluginPrivilege: Hashable, Sendable {
    /// What kind of thing it is: `mount`, `capabilities`, `network`.
    public var name: String
    /// What that means.
    public var summary: String
    /// What exactly is wanted: `/var/lib/mobyfs`, `CAP_SYS_PTRACE`.
    public var values: [String]

    init?(_ json: JSONValue) {
        guard let name = json["Name"]?.string else { return nil }
        self.name = name
        summary = json["Description"]?.string ?? ""
        values = json["Value"]?.array?.compactMap(\.string) ?? []
    }

    /// As the engine wants to have it back.
    var json: JSONValue {
        .object([
            "Name": .string(name), "Description": .string(summary), "Value": .array(values.map { .string($0) }),
        ])
    }
}

extension ManagedPluginPrivilege: CustomStringConvertible {
    /// `mount: /var/lib/mobyfs`.
    public var description: String { "\(name): \(values.joined(separator: ", "))" }
}

/// How far a pull has come, of the whole or of one of its parts.
public struct ManagedPluginProgress: Hashable, Sendable {
    /// The part that it is about; nil for the whole.
    public var part: String?
    /// What goes on: `Downloading`.
    public var status: String
    /// How many bytes are done, where that is known.
    public var current: Int64?
    /// Of how many.
    public var total: Int64?

    init(_ json: JSONValue) {
        part = json["id"]?.string
        status = json["status"]?.string ?? ""
        if case .integer(let bytes)? = json["progressDetail"]?["current"] { current = bytes }
        if case .integer(let bytes)? = json["progressDetail"]?["total"] { total = bytes }
    }
}
