// SPDX-License-Identifier: Apache-2.0

import Crypto
import FoundationEssentials
import MobyFSHost
import SwiftASN1
import X509

extension CertificateSet {
    /// The CA of the set, if it can sign.
    func existingAuthority(now: Date) throws -> CertificateAuthority {
        guard Files.exists(path(of: .authority)) else {
            throw CertificateSetError("'\(directory)' has no CA to renew with: make a set without --renew")
        }
        let facts = try CertificateFacts(pemFile: path(of: .authority))
        guard facts.isAuthority else {
            throw CertificateSetError("'\(facts.path)' is not the certificate of a CA: it may not sign others")
        }
        let validity = facts.validity(at: now)
        guard validity.state != .expired else {
            throw CertificateSetError(
                "the CA in '\(facts.path)' \(validity): make a new set with --force and give each engine its new files")
        }
        guard Files.exists(path(of: .authorityKey)) else {
            throw CertificateSetError(
                "'\(path(of: .authorityKey))' is not there, and only the CA's key can sign: "
                    + "put it back for as long as the renewal takes")
        }
        let key = try PrivateKeyFacts(pemFile: path(of: .authorityKey))
        guard key.fits(facts) else {
            throw CertificateSetError("'\(key.path)' is not the key of '\(facts.path)': put back the one that is")
        }
        return CertificateAuthority(certificate: facts.certificate, key: key.key)
    }

    /// What the server certificate of the set is valid for.
    func existingHosts() throws -> [CertifiedHost] {
        guard Files.exists(path(of: .server)) else { throw CertificateSetError.noHost }
        let facts = try CertificateFacts(pemFile: path(of: .server))
        let hosts = try facts.hosts.map { name throws in try CertifiedHost(name) }
        guard !hosts.isEmpty else { throw CertificateSetError.noHost }
        return hosts
    }

    /// A key of the set, or nil if there is none.
    func existingKey(_ file: File) throws -> Certificate.PrivateKey? {
        guard Files.exists(path(of: file)) else { return nil }
        return try PrivateKeyFacts(pemFile: path(of: file)).key
    }
}

extension Certificate {
    var pemText: String {
        get throws { try serializeAsPEM().pemString + "\n" }
    }
}

extension Certificate.PrivateKey {
    static var made: Self { Self(P256.Signing.PrivateKey()) }

    /// PKCS#8, not encrypted.
    var pemText: String {
        get throws { try serializeAsPEM().pemString + "\n" }
    }
}
