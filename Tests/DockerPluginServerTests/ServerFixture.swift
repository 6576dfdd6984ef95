// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginServer
import MobyFSTesting
import SystemPackage

/// A server that runs, on a unix socket and on a port of 127.0.0.1.
struct ServerFixture: Sendable {
    let socket: FilePath
    let port: UInt16

    func connect(overTCP: Bool = false) throws -> Wire {
        try overTCP ? Wire(port: port) : Wire(socket)
    }
}

/// Runs `body` with a server for the plugin, and stops the server after it, pass or fail.
func withServer(
    _ plugin: some VolumePlugin,
    configure: (inout PluginServer.Configuration) -> Void = { _ in },
    _ body: (ServerFixture) async throws -> Void
) async throws {
    try await withTemporaryDirectory { root in
        let socket = root.appending("s.sock")
        var configuration = PluginServer.Configuration(
            listeners: [.unix(path: socket.string), .tcp(host: "127.0.0.1", port: 0)])
        configure(&configuration)
        let server = PluginServer(
            configuration, subsystems: [VolumeSubsystem(plugin)], logger: .silent)
        let listening = AsyncStream<[String]>.makeStream()
        let running = Task {
            defer { listening.continuation.finish() }
            try await server.run { listening.continuation.yield($0) }
        }
        defer { running.cancel() }
        for await addresses in listening.stream {
            let port = addresses.last?.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
            try await body(ServerFixture(socket: socket, port: port))
            running.cancel()
        }
        try await running.value
    }
}
