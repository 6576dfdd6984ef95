// SPDX-License-Identifier: Apache-2.0

import Crypto
import FoundationEssentials
import MobyFSTesting
import SwiftASN1
import SystemPackage
import X509

/// Issues certificates, good ones and others, and writes them where a test wants them.
struct TestAuthority {
    let root: FilePath
    /// The authority's own certificate.
    let file: FilePath
    private let key = P256.Signing.PrivateKey()
    private let name: DistinguishedName

    init(_ commonName: String = "Test CA", file: String? = nil, in root: FilePath) throws {
        self.root = root
        name = try DistinguishedName { CommonName(commonName) }
        self.file = root.appending("\(file ?? commonName).pem")
        let certificate = try Self.certificate(
            for: key.publicKey, name, hours: -1...24, issuer: name, key,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
            })
        try self.file.write(certificate)
    }

    /// A certificate and its key.
    struct Pair {
        let certificate: FilePath
        let key: FilePath
    }

    func issue(
        _ file: String, names: [GeneralName] = [], hours: ClosedRange<Double> = -1...24,
        for usage: ExtendedKeyUsage.Usage = .serverAuth
    ) throws -> Pair {
        let own = P256.Signing.PrivateKey()
        let certificate = try Self.certificate(
            for: own.publicKey, try DistinguishedName { CommonName(file) }, hours: hours, issuer: name, key,
            extensions: Certificate.Extensions {
                try ExtendedKeyUsage([usage])
                if !names.isEmpty { SubjectAlternativeNames(names) }
            })
        let pair = Pair(certificate: root.appending("\(file).pem"), key: root.appending("\(file)-key.pem"))
        try pair.certificate.write(certificate)
        try pair.key.write(own.pemRepresentation)
        return pair
    }

    private static func certificate(
        for publicKey: P256.Signing.PublicKey, _ subject: DistinguishedName, hours: ClosedRange<Double>,
        issuer: DistinguishedName, _ issuerKey: P256.Signing.PrivateKey, extensions: Certificate.Extensions
    ) throws -> String {
        try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: Certificate.PublicKey(publicKey),
            notValidBefore: Date(timeIntervalSinceNow: hours.lowerBound * 3600),
            notValidAfter: Date(timeIntervalSinceNow: hours.upperBound * 3600), issuer: issuer, subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions,
            issuerPrivateKey: Certificate.PrivateKey(issuerKey)
        ).serializeAsPEM().pemString
    }
}

extension GeneralName {
    static let loopback = GeneralName.ipAddress(.init(contentBytes: [127, 0, 0, 1]))
}
