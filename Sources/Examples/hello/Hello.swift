// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginClient
import DockerPluginDiscovery
import DockerPluginServer
import Logging
import Systemd

/// An example plugin with an interface of its own: it tells about itself, finds other plugins and calls them.
///
/// `hello --name hello` and `hello --name world` are two plugins that find each other.
@main
struct Hello: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hello", abstract: "A Docker plugin that finds, calls, installs and removes plugins.")

    @Option(help: "The name that engines and other plugins know it by.")
    var name = "hello"

    @Option(help: "The socket to serve, where systemd passes none. (default: /run/NAME.sock)")
    var socket: String?

    @Option(help: "Where engines look for sockets.")
    var socketDir = PluginDirectories().sockets

    @Option(help: "Where engines look for spec files; its own goes there, too.")
    var specDir = PluginDirectories().specs[0]

    @Option(help: "The engine's socket, for managed plugins.")
    var engine = "/var/run/docker.sock"

    func run() async throws {
        let passed = try PassedSocket.takeAll().filter(\.isListening)
        let own = Listener.unix(path: socket ?? "/run/\(name).sock")
        var configuration = PluginServer.Configuration(
            listeners: passed.isEmpty ? [own] : passed.map { .descriptor($0.descriptor) })
        configuration.announcement = SpecAnnouncement(SpecFile(name: name, directory: specDir))
        let interface = HelloInterface(
            state: HelloState(name: name),
            discovery: PluginDiscovery(directories: PluginDirectories(sockets: socketDir, specs: [specDir])),
            installer: PluginInstaller(
                managed: ManagedPlugins(engine: PluginEndpoint(PluginAddress(socket: engine))), specDirectory: specDir))
        let server = PluginServer(
            configuration, subsystems: [interface],
            logger: Logger(label: name) { StreamLogHandler.standardError(label: $0) })
        try await server.runUntilSignalled { addresses in
            ServiceManager().ready(status: "listening on \(addresses.joined(separator: ", "))")
        }
    }
}
