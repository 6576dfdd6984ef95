// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery
import NIOCore
import NIOSSL
import Synchronization

/// What a `TLSConfig` amounts to, its files read.
struct TLSSettings: Sendable {
    let context: NIOSSLContext
    let check: TLSPeerCheck

    /// Reads the files as engines read them.
    ///
    /// Source: `newTransport` in moby's `pkg/plugins/client.go`, `Client` in go-connections' `tlsconfig`.
    ///
    /// - Parameters:
    ///   - spec: The configuration; without, the plugin is checked against the system's authorities.
    ///   - host: The name or IP address that the plugin's certificate is to be for.
    ///   - address: The plugin's address, for messages.
    /// - Throws: ``PluginClientError`` with code `misconfigured`.
    init(_ spec: SpecTLS?, host: String, address: String) throws {
        let verifies = spec?.verifies ?? true
        let files = try Self.load(spec, address)
        let asked = ClientCertificateRequest()
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        // The name is checked as Go does it: see TLSPeerCheck.
        configuration.certificateVerification = verifies ? .noHostnameVerification : .none
        configuration.shutdownTimeout = .milliseconds(500)
        // Called when the other side asks for a certificate.
        configuration.sslContextCallback = { _, promise in
            asked.happened()
            promise.succeed(.noChanges)
        }
        let authorities = try Self.certificates(files?.authorities, "CAFile", spec?.caFile, address)
        if !authorities.isEmpty { configuration.additionalTrustRoots = [.certificates(authorities)] }
        configuration.certificateChain =
            try Self.certificates(files?.certificate, "CertFile", spec?.certFile, address).map { .certificate($0) }
        if let key = files?.key {
            configuration.privateKey = .privateKey(try Self.key(key, spec?.keyFile, address))
        }
        do {
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw Self.failure(
                error as? NIOSSLError == .failedToLoadPrivateKey
                    ? "the key in '\(spec?.keyFile ?? "")' is not that of the certificate in '\(spec?.certFile ?? "")'"
                    : "TLS cannot be set up: \(error)", address)
        }
        check = TLSPeerCheck(
            host: host, verifies: verifies, caFile: verifies ? spec?.caFile : nil, authorities: authorities,
            clientCertificate: spec.flatMap { $0.certFile.isEmpty ? nil : $0.certFile }, asked: asked)
    }

    func handler() throws -> NIOSSLClientHandler {
        // There are no IP addresses in the name that TLS sends ahead.
        let isAddress = (try? SocketAddress(ipAddress: check.host, port: 0)) != nil
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : check.host)
    }

    private static func failure(_ text: String, _ address: String) -> PluginClientError {
        PluginClientError(.misconfigured, "'\(address)' cannot be called: \(text)")
    }

    private static func load(_ spec: SpecTLS?, _ address: String) throws -> SpecTLSFiles? {
        do throws(SpecTLSError) {
            return try spec?.load()
        } catch {
            throw failure(error.description, address)
        }
    }

    private static func certificates(
        _ content: [UInt8]?, _ key: String, _ path: String?, _ address: String
    ) throws -> [NIOSSLCertificate] {
        guard let content else { return [] }
        do {
            return try NIOSSLCertificate.fromPEMBytes(content)
        } catch {
            throw failure("\(key) '\(path ?? "")' has a certificate in it that cannot be read", address)
        }
    }

    private static func key(_ content: [UInt8], _ path: String?, _ address: String) throws -> NIOSSLPrivateKey {
        do {
            return try NIOSSLPrivateKey(bytes: content, format: .pem)
        } catch {
            throw failure("KeyFile '\(path ?? "")' has a private key in it that cannot be read", address)
        }
    }
}

/// Whether the other side has asked for a certificate.
final class ClientCertificateRequest: Sendable {
    private let flag = Atomic(false)

    var wasSeen: Bool { flag.load(ordering: .relaxed) }

    func happened() {
        flag.store(true, ordering: .relaxed)
    }
}
