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
        let asked = ClientCertificateRequest()
        var authorities: [NIOSSLCertificate] = []
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
        if verifies, let spec {
            authorities = try Self.certificates(in: spec.caFile, "CAFile", address)
            configuration.additionalTrustRoots = [.certificates(authorities)]
        }
        if let spec, !spec.certFile.isEmpty || !spec.keyFile.isEmpty {
            guard !spec.certFile.isEmpty, !spec.keyFile.isEmpty else {
                let (given, missing) = spec.certFile.isEmpty ? ("KeyFile", "CertFile") : ("CertFile", "KeyFile")
                throw Self.failure("\(given) is given without \(missing): they go together, or neither", address)
            }
            configuration.certificateChain =
                try Self.certificates(in: spec.certFile, "CertFile", address).map { .certificate($0) }
            configuration.privateKey = .privateKey(try Self.key(in: spec.keyFile, address))
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

    private static func read(_ path: String, _ key: String, _ address: String) throws -> [UInt8] {
        do {
            let content = try RegularFile.read(path, limit: 1 << 20)
            guard !content.isEmpty else { throw failure("\(key) '\(path)' is empty", address) }
            return content
        } catch let error as RegularFileError {
            throw failure("\(key) \(error)", address)
        }
    }

    private static func certificates(in path: String, _ key: String, _ address: String) throws -> [NIOSSLCertificate] {
        let content = try read(path, key, address)
        do {
            return try NIOSSLCertificate.fromPEMBytes(content)
        } catch {
            throw failure("\(key) '\(path)' holds no certificate in PEM", address)
        }
    }

    private static func key(in path: String, _ address: String) throws -> NIOSSLPrivateKey {
        let content = try read(path, "KeyFile", address)
        let text = String(decoding: content, as: UTF8.self)
        guard !text.contains("BEGIN ENCRYPTED PRIVATE KEY"), !text.contains("Proc-Type: 4,ENCRYPTED") else {
            throw failure(
                "the key in '\(path)' is encrypted, and there is nobody to ask for its passphrase: "
                    + "write it out in plain, mode 0600", address)
        }
        do {
            return try NIOSSLPrivateKey(bytes: content, format: .pem)
        } catch {
            throw failure("KeyFile '\(path)' holds no private key in PEM", address)
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
