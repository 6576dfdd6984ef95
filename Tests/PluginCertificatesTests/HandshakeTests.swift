// SPDX-License-Identifier: Apache-2.0

import MobyFSTesting
import NIOCore
import NIOPosix
import NIOSSL
import PluginCertificates
import Subprocess
import SystemPackage
import Testing

/// Both sides of mutual TLS: BoringSSL, by which mobyfs serves, and Go, which engines are written in.
@Suite struct HandshakeTests {
    @Test(arguments: [TLSVersion.tlsv12, .tlsv13], ["localhost", "127.0.0.1"])
    func boringSSLAcceptsBothSides(version: TLSVersion, host: String) async throws {
        try await withSet(hosts: ["nas"]) { set in
            let answer = try await withServer(set, version) { port in
                try await call(host, port, authority: set, identity: set, .client)
            }
            #expect(answer.hasSuffix("teapot"))
        }
    }

    /// A client that shows the server's certificate, and one of another CA of the same name.
    @Test func boringSSLRefusesOtherClients() async throws {
        try await withSet(hosts: ["nas"]) { set in
            let stranger = CertificateSet(set.directory.removingLastComponent().appending("stranger"))
            try stranger.create(hosts: [CertifiedHost("nas")])
            try await withServer(set, .tlsv12) { port in
                for (identity, file) in [(set, CertificateSet.File.server), (stranger, .client)] {
                    await #expect(throws: (any Error).self) {
                        try await call("localhost", port, authority: set, identity: identity, file)
                    }
                }
                await #expect(throws: (any Error).self) {
                    try await call("localhost", port, authority: stranger, identity: set, .client)
                }
            }
        }
    }

    @Test(.enabled(if: Docker.isPresent, "needs the docker program"), arguments: [TLSVersion.tlsv12, .tlsv13])
    func goAcceptsBothSides(version: TLSVersion) async throws {
        try await withSet(hosts: ["nas"]) { set in
            try await withServer(set, version) { port in
                for host in ["localhost", "127.0.0.1", "[::1]"] {
                    let output = try await docker("\(host):\(port)", set, certificate: .client, key: .clientKey)
                    #expect(output.contains("teapot"), "\(output)")
                }
                let output = try await docker("localhost:\(port)", set, certificate: .server, key: .serverKey)
                #expect(output.contains("remote error: tls"), "\(output)")
            }
        }
    }

    /// Renewed on one side alone, either way round.
    @Test(
        .enabled(if: Docker.isPresent, "needs the docker program"), arguments: [CertificateSet.File.server, .client])
    func goAcceptsARenewalOfOneSide(file: CertificateSet.File) async throws {
        try await withSet(hosts: ["nas"]) { set in
            let old = try set.path(of: file).text
            try set.renew(hosts: nil)
            try set.path(of: file).write(old)
            let output = try await withServer(set, .tlsv13) { port in
                try await docker("localhost:\(port)", set, certificate: .client, key: .clientKey)
            }
            #expect(output.contains("teapot"), "\(output)")
        }
    }

    /// What the inspection says of kinds of keys is what BoringSSL and Go do with them.
    @Test(
        .enabled(if: OpenSSL.isPresent && Docker.isPresent, "needs /usr/bin/openssl and the docker program"),
        arguments: [CertificateSet.File.authority, .server, .client], Self.keys)
    func inspectionForeseesHowAHandshakeEnds(file: CertificateSet.File, key: String) async throws {
        try await withTemporaryDirectory { root in
            let set = CertificateSet(root)
            try await OpenSSL.makeAuthority(key: file == .authority ? key : "rsa:2048", in: root)
            for (name, own) in [("server", CertificateSet.File.server), ("client", .client)] {
                try await OpenSSL.makeLeaf(
                    name, extensions: "subjectAltName=DNS:localhost\nextendedKeyUsage=\(name)Auth",
                    key: file == own ? key : "rsa:2048", in: root)
            }
            let inspection = try CertificateInspection(of: set)
            let output = try await withServer(set, .tlsv13) { port in
                try await docker("localhost:\(port)", set, certificate: .client, key: .clientKey)
            }
            #expect(output.contains("teapot") == inspection.isSound, "\(output), \(inspection.findings)")
        }
    }

    private static let keys = [
        "rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-384", "ec -pkeyopt ec_paramgen_curve:P-521", "ed25519",
    ]

    private func docker(
        _ address: String, _ set: CertificateSet, certificate: CertificateSet.File, key: CertificateSet.File
    ) async throws -> String {
        let result = try await Subprocess.run(
            .path(Docker.path),
            arguments: [
                "--config", "\(set.directory)/config", "--host", "tcp://\(address)", "--tlsverify",
                "--tlscacert", "\(set.path(of: .authority))", "--tlscert", "\(set.path(of: certificate))",
                "--tlskey", "\(set.path(of: key))", "info",
            ], output: .string(limit: 1 << 20), error: .combinedWithOutput)
        return result.standardOutput
    }

    private func identity(
        _ set: CertificateSet, _ file: CertificateSet.File
    ) throws -> (chain: [NIOSSLCertificateSource], key: NIOSSLPrivateKeySource) {
        let key = set.path(of: file == .server ? .serverKey : .clientKey)
        return (
            try NIOSSLCertificate.fromPEMFile(set.path(of: file).string).map { .certificate($0) },
            .privateKey(try NIOSSLPrivateKey(file: key.string, format: .pem))
        )
    }

    /// Runs `body` with a server on both loopback addresses that answers whoever has a certificate of the set's CA.
    private func withServer<Result>(
        _ set: CertificateSet, _ version: TLSVersion, _ body: (Int) async throws -> Result
    ) async throws -> Result {
        let (chain, key) = try identity(set, .server)
        var configuration = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: key)
        configuration.trustRoots = .file(set.path(of: .authority).string)
        configuration.certificateVerification = .noHostnameVerification
        configuration.minimumTLSVersion = version
        configuration.maximumTLSVersion = version
        let context = try NIOSSLContext(configuration: configuration)
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        NIOSSLServerHandler(context: context), TeapotHandler())
                }
            }
        // One socket takes both families.
        let server = try await bootstrap.bind(host: "::", port: 0).get()
        let outcome: Swift.Result<Result, any Error>
        do {
            outcome = .success(try await body(server.localAddress?.port ?? 0))
        } catch {
            outcome = .failure(error)
        }
        try await server.close()
        return try outcome.get()
    }

    /// Sends a line and gives what came back before the end.
    private func call(
        _ host: String, _ port: Int, authority: CertificateSet, identity: CertificateSet, _ file: CertificateSet.File
    ) async throws -> String {
        let (chain, key) = try self.identity(identity, file)
        var configuration = TLSConfiguration.makeClientConfiguration()
        (configuration.certificateChain, configuration.privateKey) = (chain, key)
        configuration.trustRoots = .file(authority.path(of: .authority).string)
        let context = try NIOSSLContext(configuration: configuration)
        let group = MultiThreadedEventLoopGroup.singleton
        let answer = group.any().makePromise(of: String.self)
        let channel = try await ClientBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let name = host == "localhost" ? host : nil
                    try channel.pipeline.syncOperations.addHandlers(
                        NIOSSLClientHandler(context: context, serverHostname: name), AnswerHandler(answer))
                }
            }
            .connect(host: host == "localhost" ? "127.0.0.1" : host, port: port).get()
        // What became of it is told by the answer.
        try? await channel.writeAndFlush(ByteBuffer(string: "hello\n"))
        return try await answer.futureResult.get()
    }
}

/// The docker program of this machine, which is a client in Go.
private enum Docker {
    static let path: FilePath =
        ["/usr/bin/docker", "/usr/local/bin/docker"].first(where: \.exists) ?? "/usr/bin/docker"
    static var isPresent: Bool { path.exists }
}

/// Answers whatever comes as no engine does, and closes.
private final class TeapotHandler: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let answer =
            "HTTP/1.1 418 No\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nConnection: close\r\n\r\nteapot"
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
        context.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

/// Keeps a promise with what arrives, or with the error that comes instead.
private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let answer: EventLoopPromise<String>
    private var text = ""

    init(_ answer: EventLoopPromise<String>) {
        self.answer = answer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        text += String(buffer: unwrapInboundIn(data))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        answer.fail(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        text.isEmpty ? answer.fail(ChannelError.eof) : answer.succeed(text)
    }
}
