// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery
import DockerPluginServer
import Logging
import PluginCertificates
package import SystemPackage

/// The files for TLS: what the daemon shows and believes, and what engines of this host are to show.
package struct TLSConfiguration: Hashable, Sendable {
    package let certificate: FilePath
    package let key: FilePath
    /// The authorities of engines' certificates, and of the daemon's own.
    package let authorities: FilePath
    /// What engines of this host show, and its key; for the spec file.
    package let client: Client?

    package struct Client: Hashable, Sendable {
        package let certificate: FilePath
        package let key: FilePath
    }

    /// Reads the settings; nil if none is set.
    ///
    /// - Throws: ``ConfigurationError`` naming what is missing.
    init?(_ values: [Setting: String]) throws(ConfigurationError) {
        func path(_ setting: Setting) throws(ConfigurationError) -> FilePath? {
            guard let value = values[setting] else { return nil }
            guard let path = Configuration.absolutePath(value) else {
                throw ConfigurationError("\(setting.rawValue)='\(value)' is not an absolute path")
            }
            return path
        }
        let server: [Setting] = [.tlsCertificate, .tlsKey, .tlsAuthorities]
        let engine: [Setting] = [.tlsClientCertificate, .tlsClientKey]
        guard (server + engine).contains(where: { values[$0] != nil }) else { return nil }
        for missing in server where values[missing] == nil {
            throw ConfigurationError(
                "\(missing.rawValue) is not set: TLS takes certificate, key and the authorities of clients together; "
                    + "'mobyfs tls create' makes them")
        }
        guard let certificate = try path(.tlsCertificate), let key = try path(.tlsKey),
            let authorities = try path(.tlsAuthorities)
        else { return nil }
        (self.certificate, self.key, self.authorities) = (certificate, key, authorities)
        switch (try path(.tlsClientCertificate), try path(.tlsClientKey)) {
        case (let certificate?, let key?): client = Client(certificate: certificate, key: key)
        case (nil, nil): client = nil
        case (nil, _):
            throw ConfigurationError("\(Setting.tlsClientCertificate.rawValue) is not set, but the key for it is")
        case (_, nil):
            throw ConfigurationError("\(Setting.tlsClientKey.rawValue) is not set, but the certificate for it is")
        }
    }

    /// The server's part.
    var serverFiles: ServerTLS.Files {
        ServerTLS.Files(certificate: certificate.string, key: key.string, authorities: authorities.string)
    }

    /// The engine's part, as a spec file has it; nil without a certificate for engines.
    var spec: SpecTLS? {
        client.map {
            SpecTLS(caFile: authorities.string, certFile: $0.certificate.string, keyFile: $0.key.string)
        }
    }
}

extension TLSConfiguration {
    /// The host that engines are to connect to: they check that the certificate is for it.
    ///
    /// - Parameters:
    ///   - address: What is listened on.
    ///   - logger: Where to say that the certificate is for none of the names it would need.
    /// - Returns: The host in the address, or for all addresses one that the certificate is for; nil to leave it.
    func host(for address: ListenAddress, logger: Logger) -> String? {
        guard case .tcp(let host, _) = address else { return nil }
        do {
            let facts = try CertificateFacts(pemFile: certificate)
            // To this host, whatever its addresses are.
            let local = address.isWildcard ? ["127.0.0.1", "localhost", "::1"] : [host]
            let named = facts.dnsNames.filter { !$0.hasPrefix("*") } + facts.ipAddresses
            if let fitting = local.first(where: { facts.isValid(forHost: $0) }) { return fitting }
            logger.warning(
                "engines of this host will refuse the certificate, which is for other names",
                metadata: ["address": "\(address)", "names": "\(named.joined(separator: ", "))"])
            return address.isWildcard ? named.first ?? "127.0.0.1" : nil
        } catch {
            // The server has read the same file, and found nothing wrong.
            logger.debug("the certificate's names are unknown", metadata: ["error": "\(error)"])
            return nil
        }
    }
}
