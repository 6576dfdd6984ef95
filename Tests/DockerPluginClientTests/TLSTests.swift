// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient
import DockerPluginDiscovery
import DockerPluginServer
import Logging
import MobyFSTesting
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import SystemPackage
import Testing
import X509

/// Plugins behind TLS: whom the client believes, and in which words it says why not.
@Suite(.timeLimit(.minutes(1))) struct TLSTests {
    /// Runs `body` with the port of a plugin that wants to see client certificates of an authority.
    private func withServer(
        _ pair: TestAuthority.Pair, clients: TestAuthority, _ body: (Int) async throws -> Void
    ) async throws {
        let tls = try ServerTLS(
            ServerTLS.Files(
                certificate: pair.certificate.string, key: pair.key.string, authorities: clients.file.string))
        let server = PluginServer(
            PluginServer.Configuration(listeners: [.tcp(host: "127.0.0.1", port: 0, tls: tls)]),
            subsystems: [Volumes()], logger: .silent)
        let ports = AsyncStream<Int>.makeStream()
        let running = Task {
            try await server.run { addresses -> Void in
                let port = Int(addresses[0].split(separator: ":").last ?? "") ?? 0
                ports.continuation.yield(port)
            }
        }
        defer { running.cancel() }
        for await port in ports.stream {
            try await body(port)
            break
        }
        running.cancel()
        try await running.value
    }

    private struct Volumes: PluginSubsystem {
        let name = "VolumeDriver"
        let methods: [String: PluginMethod] = [:]
        func activated(by caller: Caller) {}
    }

    private func client(
        _ address: String, _ tls: SpecTLS?, trace: (@Sendable (TraceEvent) -> Void)? = nil
    ) throws -> PluginClient {
        var configuration = PluginClient.Configuration()
        configuration.retries = .none
        configuration.callLimit = .seconds(50)
        configuration.trace = trace
        return PluginClient(PluginEndpoint(try PluginAddress(address), tls: tls), configuration: configuration)
    }

    private func failure(of client: PluginClient) async throws -> PluginClientError {
        let error = await #expect(throws: PluginClientError.self) { try await client.activate() }
        return try #require(error)
    }

    private func spec(_ ca: TestAuthority?, _ pair: TestAuthority.Pair?, skip: Bool = false) -> SpecTLS {
        SpecTLS(
            caFile: ca?.file.string ?? "", certFile: pair?.certificate.string ?? "",
            keyFile: pair?.key.string ?? "", insecureSkipVerify: skip)
    }

    @Test func callsWithACertificateOfItsOwn() async throws {
        try await withTemporaryDirectory { root in
            let ca = try TestAuthority(in: root)
            let server = try ca.issue("server", names: [.loopback, .dnsName("localhost")])
            let own = try ca.issue("client", for: .clientAuth)
            try await withServer(server, clients: ca) { port in
                for host in ["127.0.0.1", "localhost"] {
                    let notes = Mutex<[String]>([])
                    let client = try client("https://\(host):\(port)", spec(ca, own)) { event in
                        if case .note(let note) = event { notes.withLock { $0.append(note) } }
                    }
                    let implements = try await client.activate()
                    #expect(implements == ["VolumeDriver"])
                    let said = notes.withLock { $0.joined(separator: "\n") }
                    #expect(
                        said.contains("TLS 1.3; the plugin's certificate is for 'localhost', '127.0.0.1'"), "\(said)")
                    #expect(said.contains("and was checked"))
                    #expect(said.contains("is shown '\(own.certificate)'"))
                }
                // Without an authority, or told so, engines believe everybody.
                for tls in [spec(nil, own), spec(ca, own, skip: true)] {
                    let implements = try await client("https://127.0.0.1:\(port)", tls).activate()
                    #expect(implements == ["VolumeDriver"])
                }
            }
        }
    }

    @Test(arguments: ["none", "foreign", "expired", "server's"])
    func saysThatItsOwnCertificateIsRefused(kind: String) async throws {
        try await withTemporaryDirectory { root in
            let ca = try TestAuthority(in: root)
            let server = try ca.issue("server", names: [.loopback])
            let own =
                switch kind {
                case "none": nil as TestAuthority.Pair?
                case "foreign": try TestAuthority("Other CA", in: root).issue("client", for: .clientAuth)
                case "expired": try ca.issue("client", hours: -9 ... -1, for: .clientAuth)
                default: try ca.issue("client")
                }
            try await withServer(server, clients: ca) { port in
                let error = try await failure(of: client("https://127.0.0.1:\(port)", spec(ca, own)))
                #expect(error.code == .untrusted, "\(error)")
                #expect(
                    error.description.contains(
                        kind == "none"
                            ? "wants to see a client certificate, and there is none: set CertFile and KeyFile"
                            : "does not accept the client certificate in '\(root)/client.pem'"), "\(error)")
            }
        }
    }

    /// A certificate that is not to be believed by who knows that authority only, and what is to be said about it.
    private func doubtful(
        _ kind: String, _ known: TestAuthority, in root: FilePath
    ) throws -> (TestAuthority.Pair, String) {
        switch kind {
        case "foreign":
            let other = try TestAuthority("Other CA", in: root)
            return (try other.issue("s", names: [.loopback]), "from an unknown authority: 'Other CA' is not in '")
        case "expired":
            return (try known.issue("s", names: [.loopback], hours: -9 ... -1), "that expired on 20")
        case "future": return (try known.issue("s", names: [.loopback], hours: 1...9), "valid from 20")
        case "client's": return (try known.issue("s", names: [.loopback], for: .clientAuth), "not meant for servers")
        case "name":
            return (
                try known.issue("s", names: [.dnsName("nas.example"), .dnsName("*.lan")]),
                "has a certificate for 'nas.example', '*.lan', and not for '127.0.0.1'"
            )
        case "same name":
            let impostor = try TestAuthority("Known CA", file: "impostor", in: root)
            return (try impostor.issue("s", names: [.loopback]), "was signed with another key")
        // Go does not look at the common name any more.
        default: return (try known.issue("localhost"), "without any subject alternative name")
        }
    }

    @Test(arguments: ["foreign", "expired", "future", "client's", "name", "no names", "common name", "same name"])
    func saysWhyItDoesNotBelieveThePlugin(kind: String) async throws {
        try await withTemporaryDirectory { root in
            let ca = try TestAuthority(in: root)
            let own = try ca.issue("client", for: .clientAuth)
            let known = try TestAuthority("Known CA", in: root)
            let host = kind == "common name" ? "localhost" : "127.0.0.1"
            let (server, text) = try doubtful(kind, known, in: root)
            try await withServer(server, clients: ca) { port in
                let error = try await failure(of: client("https://\(host):\(port)", spec(known, own)))
                #expect(error.code == .untrusted, "\(error)")
                #expect(error.description.contains(text), "\(error)")
            }
        }
    }

    /// An address in the certificate is for addresses, a name for names: Go looks up neither in the other.
    @Test func takesNoAddressForAName() async throws {
        try await withTemporaryDirectory { root in
            let ca = try TestAuthority(in: root)
            let own = try ca.issue("client", for: .clientAuth)
            try await withServer(try ca.issue("server", names: [.loopback]), clients: ca) { port in
                let error = try await failure(of: client("https://localhost:\(port)", spec(ca, own)))
                #expect(error.description.contains("for '127.0.0.1', and not for 'localhost'"), "\(error)")
            }
        }
    }

    @Test func checksAgainstTheSystemsAuthoritiesWhereNothingIsSaid() async throws {
        try await withTemporaryDirectory { root in
            let ca = try TestAuthority(in: root)
            try await withServer(try ca.issue("server", names: [.loopback]), clients: ca) { port in
                let error = try await failure(of: client("https://127.0.0.1:\(port)", nil))
                #expect(error.description.contains("'Test CA' is not in the system's authorities"), "\(error)")
            }
        }
    }

    @Test func refusesFilesThatMakeNoSense() async throws {
        try await withTemporaryDirectory { root in
            let ca = try TestAuthority(in: root)
            let own = try ca.issue("client", for: .clientAuth)
            let other = try ca.issue("other", for: .clientAuth)
            let empty = root.appending("empty.pem")
            try empty.write("")
            let locked = root.appending("locked.pem")
            try locked.write("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII\n-----END ENCRYPTED PRIVATE KEY-----\n")
            let cases: [(SpecTLS, String)] = [
                (SpecTLS(caFile: "/nowhere.pem"), "CAFile '/nowhere.pem' cannot be read: no such file"),
                (SpecTLS(caFile: empty.string), "is empty"),
                (SpecTLS(caFile: own.key.string), "has no certificate in it"),
                (SpecTLS(caFile: "/dev/zero"), "is no regular file"),
                (SpecTLS(certFile: own.certificate.string), "CertFile is given without KeyFile"),
                (SpecTLS(keyFile: own.key.string), "KeyFile is given without CertFile"),
                (SpecTLS(certFile: own.certificate.string, keyFile: locked.string), "is encrypted"),
                (SpecTLS(certFile: own.certificate.string, keyFile: empty.string), "is empty"),
                (
                    SpecTLS(certFile: own.certificate.string, keyFile: own.certificate.string),
                    "has no private key in it"
                ),
                (
                    SpecTLS(certFile: own.certificate.string, keyFile: other.key.string),
                    "is not that of the certificate"
                ),
            ]
            for (tls, text) in cases {
                let error = try await failure(of: client("https://127.0.0.1:1", tls))
                #expect(error.code == .misconfigured)
                #expect(error.description.contains(text), "\(error)")
            }
        }
    }

    @Test func saysWhoSpeaksTLSAndWhoDoesNot() async throws {
        try await withTemporaryDirectory { root in
            let ca = try TestAuthority(in: root)
            try await withServer(try ca.issue("server", names: [.loopback]), clients: ca) { port in
                let plain = try await failure(of: client("tcp://127.0.0.1:\(port)", nil))
                #expect(plain.description.contains("speaks TLS") || plain.code == .dropped, "\(plain)")
            }
            let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { $0.pipeline.addHandler(Greeter()) }
                .bind(host: "127.0.0.1", port: 0).get()
            let port = try #require(server.localAddress?.port)
            let error = try await failure(of: client("https://127.0.0.1:\(port)", SpecTLS()))
            #expect(error.description.contains("does not speak TLS"), "\(error)")
            try await server.close()
        }
    }

    /// Answers whatever comes as a web server would.
    private final class Greeter: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let text = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        }
    }

    @Test func givesUpOnAHandshakeThatStalls() async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        var configuration = PluginClient.Configuration()
        configuration.connectLimit = .seconds(4)
        let client = PluginClient(
            PluginEndpoint(try PluginAddress("https://127.0.0.1:\(port)"), tls: SpecTLS()),
            configuration: configuration)
        let error = try await failure(of: client)
        #expect(error.code == .timedOut)
        #expect(error.description.contains("within 4 s: it does not finish the TLS handshake"))
        try await server.close()
    }
}

/// Names in certificates, compared as Go's `VerifyHostname` compares them.
@Suite struct CertificateNamesTests {
    @Test(arguments: [
        ("nas.example", "nas.example", true), ("nas.example", "NAS.Example.", true),
        ("nas.example.", "nas.example", true),
        ("*.example", "nas.example", true), ("*.example", "a.nas.example", false), ("*.example", "example", false),
        ("n*.example", "nas.example", false), ("nas.*", "nas.example", false), ("*", "nas", false),
        ("127.0.0.1", "127.0.0.1", false), ("nas.example", "", false),
    ])
    func matchesAsGoDoes(name: String, host: String, fits: Bool) {
        #expect(CertificateNames(dnsNames: [name], addresses: []).fit(host) == fits)
    }

    @Test func comparesAddressesAsAddresses() {
        let names = CertificateNames(
            dnsNames: [], addresses: [[127, 0, 0, 1], Array(repeating: 0, count: 15) + [1], [1, 2]])
        #expect(names.fit("127.0.0.1"))
        #expect(names.fit("::1"))
        #expect(names.fit("0:0:0:0:0:0:0:1"))
        #expect(!names.fit("127.0.0.2"))
        #expect(names.all == ["127.0.0.1", "::1", "an IP address of 2 bytes"])
    }
}
