// SPDX-License-Identifier: Apache-2.0

/// Where plugins are looked for.
public struct PluginDirectories: Hashable, Sendable {
    /// The folder of sockets.
    public var sockets: String
    /// The folders of spec files, the one that counts more first.
    public var specs: [String]

    /// Names the folders; without arguments, those of an engine that runs as root.
    public init(
        sockets: String = "/run/docker/plugins", specs: [String] = ["/etc/docker/plugins", "/usr/lib/docker/plugins"]
    ) {
        self.sockets = sockets
        self.specs = specs
    }

    /// All folders, in the order in which engines look into them.
    public var all: [String] { [sockets] + specs }
}
