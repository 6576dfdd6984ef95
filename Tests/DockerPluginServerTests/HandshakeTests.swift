// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginServer
import Logging
import MobyFSTesting
import PluginCertificates
import SystemPackage
import Testing

/// Clients that make TLS connections and do not get on with them.
@Suite struct HandshakeTests {
    @Test func endsHandshakesThatStallAndServesOthersMeanwhile() async throws {
        try await withTemporaryDirectory { root in
            let certificates = CertificateSet(root.appending("tls"))
            _ = try certificates.create(hosts: [CertifiedHost("localhost")])
            let tls = try ServerTLS(
                .init(
                    certificate: certificates.path(of: .server).string, key: certificates.path(of: .serverKey).string,
                    authorities: certificates.path(of: .authority).string))
            let socket = root.appending("s.sock")
            var configuration = PluginServer.Configuration(
                listeners: [.tcp(host: "127.0.0.1", port: 0, tls: tls), .unix(path: socket.string)])
            configuration.handshakeLimit = .milliseconds(200)
            let server = PluginServer(configuration, subsystems: [], logger: .silent)
            let listening = AsyncStream.makeStream(of: String.self)
            let running = Task {
                defer { listening.continuation.finish() }
                try await server.run { listening.continuation.yield($0[0]) }
            }
            defer { running.cancel() }
            for await address in listening.stream {
                let port = try #require(address.split(separator: ":").last.flatMap { UInt16($0) })
                let stalled = try (0..<300).map { _ in try Wire(port: port) }
                try stalled[0].send([22, 3, 1, 2])
                let answer = try await Wire(socket).exchange(Wire.post("/Plugin.Activate", ""))
                #expect(answer.contains("Implements"))
                // Each is hung up on, not left waiting: this returns.
                for wire in stalled { _ = try await wire.receiveAll() }
                break
            }
            running.cancel()
            try await running.value
        }
    }
}
