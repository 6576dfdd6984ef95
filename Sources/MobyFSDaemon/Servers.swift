// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginDiscovery
import DockerPluginServer
import Logging
import MobyFSHost
import MobyFSVolumes
import SystemPackage
import Systemd

/// Makes the servers of the daemon: one for its own name, and one for each further name.
struct Servers: Sendable {
    /// The folder that engines search for sockets by themselves.
    private static let engineSocketDirectory: FilePath = "/run/docker/plugins"

    let configuration: Configuration
    let tls: ServerTLS?
    let volumes: VolumeManager
    /// Whether an engine runs this as a managed plugin.
    let isManaged: Bool
    let passed: [PassedSocket]
    /// Takes over idle connections when the daemon stops; see ``PluginServer/Configuration/handOver``.
    let handOver: (@Sendable (CInt) -> Void)?
    let descriptors: DescriptorLimit
    let logger: Logger

    /// The servers, that of the daemon's own name first.
    func make() throws -> [PluginServer] {
        var servers = [try main()]
        for name in configuration.names { servers.append(try server(for: name)) }
        // By a name that is served no more nobody is to be answered with other options.
        for descriptor in connections({ isOfAName($0) && !isServed($0) }) {
            try FileDescriptor(rawValue: descriptor).close()
        }
        return servers
    }

    /// Serves sockets that were passed, and what is configured; without any of these the default socket.
    private func main() throws -> PluginServer {
        var listeners = listeningSockets { !isAlias($0) }
        for address in configuration.listen { listeners.append(try listener(address)) }
        if listeners.isEmpty {
            listeners = [try listener(.unix(defaultSocket))]
        }
        return server(
            listeners, connections: connections { path in !isOfAName(path) }, announcement: mainAnnouncement,
            plugin: plugin(name: nil))
    }

    private func server(for name: ServedName) throws -> PluginServer {
        var listeners = listeningSockets { $0.name == name.fileName }
        let isPassed = !listeners.isEmpty
        if !isPassed { listeners = [try listener(.unix(configuration.socket(of: name)))] }
        let file = SpecFile(name: name.name, directory: configuration.specDirectory.string)
        return server(
            listeners, connections: connections { $0 == socket(of: name) },
            announcement: isPassed ? nil : SpecAnnouncement(file),
            plugin: plugin(name: name.name, defaults: name.defaults))
    }

    private func server(
        _ listeners: [Listener], connections: [CInt], announcement: SpecAnnouncement?, plugin: MobyFSPlugin
    ) -> PluginServer {
        var server = PluginServer.Configuration(listeners: listeners)
        server.connections = connections
        server.announcement = announcement
        server.handOver = handOver
        server.connectionLimit = descriptors.forEach(of: socketCount)
        return PluginServer(server, subsystems: [VolumeSubsystem(plugin, names: .any)], logger: logger)
    }

    private func plugin(name: String?, defaults: [String: String] = [:]) -> MobyFSPlugin {
        MobyFSPlugin(
            volumes: volumes, name: name, furtherNames: Set(configuration.names.map(\.name)), defaults: defaults,
            isManaged: isManaged, servesOtherHosts: servesOtherHosts, logger: logger)
    }

    private func listener(_ address: ListenAddress) throws -> Listener {
        switch address {
        case .tcp(let host, let port): return .tcp(host: host, port: port, tls: tls)
        case .unix(let path):
            try Directories.create(path.removingLastComponent(), mode: 0o755)
            return .unix(path: path.string)
        }
    }
}

// MARK: - Sockets that were passed

extension Servers {
    private func isAlias(_ socket: PassedSocket) -> Bool {
        configuration.names.contains { $0.fileName == socket.name }
    }

    private func listeningSockets(_ isWanted: (PassedSocket) -> Bool) -> [Listener] {
        passed.filter { $0.isListening && isWanted($0) }.map { .descriptor($0.descriptor) }
    }

    /// Connections of the process before, by the socket that they came in by.
    private func connections(_ isWanted: (String?) -> Bool) -> [CInt] {
        passed.filter { !$0.isListening && isWanted($0.path) }.map(\.descriptor)
    }

    /// Whether a socket is that of a further name, of now or of the process before.
    private func isOfAName(_ path: String?) -> Bool {
        guard let path, !configuration.names.contains(where: { socket(of: $0) == path }) else { return path != nil }
        let isMain =
            passed.contains { $0.isListening && !isAlias($0) && $0.path == path }
            || configuration.listen.contains(.unix(FilePath(path))) || path == defaultSocket.string
        return !isMain && FilePath(path).removingLastComponent() == configuration.runtimeDirectory
    }

    private func isServed(_ path: String?) -> Bool {
        configuration.names.contains { socket(of: $0) == path }
    }

    /// How many sockets engines can connect to, or one more.
    private var socketCount: Int {
        passed.count { $0.isListening } + max(1, configuration.listen.count) + configuration.names.count
    }

    private var defaultSocket: FilePath { configuration.runtimeDirectory.appending("mobyfs.sock") }

    /// Whether engines of other hosts can connect; of a TCP socket that was passed nothing is known.
    private var servesOtherHosts: Bool {
        configuration.listen.contains { !$0.isLocal } || passed.contains { $0.isListening && $0.path == nil }
    }

    /// The socket that a further name is served on.
    private func socket(of name: ServedName) -> String? {
        let given = passed.first { $0.isListening && $0.name == name.fileName }
        return given.map(\.path) ?? configuration.socket(of: name).string
    }
}

// MARK: - How engines are told

extension Servers {
    /// Tells of the last address that was configured, unless engines find it by themselves or could not use it.
    private var mainAnnouncement: SpecAnnouncement? {
        guard let address = configuration.listen.last else { return nil }
        let file = SpecFile(name: ServedName.main, directory: configuration.specDirectory.string)
        switch address {
        case .unix(let path):
            return path.removingLastComponent() == Self.engineSocketDirectory ? nil : SpecAnnouncement(file)
        case .tcp:
            guard let certificates = configuration.tls else {
                return SpecAnnouncement(file, host: address.isWildcard ? "127.0.0.1" : nil)
            }
            guard let spec = certificates.spec else {
                logger.notice(
                    "engines of this host are not told of the TLS port, for want of a certificate of theirs",
                    metadata: [
                        "address": "\(address)",
                        "settings": "\(Setting.tlsClientCertificate.rawValue), \(Setting.tlsClientKey.rawValue)",
                    ])
                return nil
            }
            return SpecAnnouncement(file, tls: spec, host: certificates.host(for: address, logger: logger))
        }
    }
}
