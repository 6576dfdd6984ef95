// SPDX-License-Identifier: Apache-2.0

import Crypto
import FoundationEssentials
import X509

/// A CA with its key, and what it signs for mobyfs and for engines.
struct CertificateAuthority {
    let certificate: Certificate
    let key: Certificate.PrivateKey

    private static let day: TimeInterval = 86400
    /// Clocks differ: a certificate is valid for others at once, even if theirs are slow.
    private static let backdating: TimeInterval = -3600

    /// Takes a CA that exists.
    init(certificate: Certificate, key: Certificate.PrivateKey) {
        self.certificate = certificate
        self.key = key
    }

    /// Makes a CA.
    init(host: CertifiedHost, days: Int, now: Date) throws {
        key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let subject = try Self.name("mobyfs CA on", host)
        let keyIdentifier = SubjectKeyIdentifier(hash: key.publicKey)
        certificate = try Certificate(
            version: .v3, serialNumber: Self.serialNumber(), publicKey: key.publicKey,
            notValidBefore: now + Self.backdating, notValidAfter: now + Double(days) * Self.day,
            issuer: subject, subject: subject,
            extensions: try Certificate.Extensions {
                // The path length is that of CAs below this one, of which there are none.
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                keyIdentifier
                AuthorityKeyIdentifier(keyIdentifier: keyIdentifier.keyIdentifier)
            },
            issuerPrivateKey: key)
    }

    /// Makes the certificate that mobyfs shows.
    func issueServer(
        hosts: [CertifiedHost], key: Certificate.PublicKey, days: Int, now: Date
    ) throws -> Certificate {
        try issue(Self.name("mobyfs server on", hosts.first), .serverAuth, key: key, days: days, now: now) {
            SubjectAlternativeNames(hosts.map(\.generalName))
        }
    }

    /// Makes the certificate that engines show.
    func issueClient(of host: CertifiedHost?, key: Certificate.PublicKey, days: Int, now: Date) throws -> Certificate {
        try issue(Self.name("mobyfs client of", host), .clientAuth, key: key, days: days, now: now) {
            Certificate.Extensions()
        }
    }

    private func issue(
        _ subject: DistinguishedName, _ purpose: ExtendedKeyUsage.Usage, key: Certificate.PublicKey, days: Int,
        now: Date, @ExtensionsBuilder more: () throws -> Result<Certificate.Extensions, any Error>
    ) throws -> Certificate {
        let more = try more().get()
        let issuerIdentifier =
            try certificate.extensions.subjectKeyIdentifier ?? SubjectKeyIdentifier(hash: certificate.publicKey)
        return try Certificate(
            version: .v3, serialNumber: Self.serialNumber(), publicKey: key,
            notValidBefore: now + Self.backdating,
            // A certificate that outlives its CA only looks valid.
            notValidAfter: min(now + Double(days) * Self.day, certificate.notValidAfter),
            issuer: certificate.subject, subject: subject,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                // RSA keys, which others may have made, can also take part in the key exchange of TLS 1.2.
                Critical(KeyUsage(digitalSignature: true, keyEncipherment: key.typeName.hasPrefix("RSA")))
                try ExtendedKeyUsage([purpose])
                SubjectKeyIdentifier(hash: key)
                AuthorityKeyIdentifier(keyIdentifier: issuerIdentifier.keyIdentifier)
                more
            },
            issuerPrivateKey: self.key)
    }

    /// A common name has at most 64 characters (RFC 5280, ub-common-name).
    private static func name(_ what: String, _ host: CertifiedHost?) throws -> DistinguishedName {
        let text = host.map { "\(what) \($0)" } ?? what
        return try DistinguishedName { CommonName(String(text.prefix(64))) }
    }

    /// 128 random bits, of which two are given away so that it is a positive number of always 16 bytes.
    private static func serialNumber() -> Certificate.SerialNumber {
        var bytes = (0..<16).map { _ in UInt8.random(in: 0...255) }
        bytes[0] = bytes[0] & 0x3F | 0x40
        return Certificate.SerialNumber(bytes: bytes)
    }
}
