// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import SwiftASN1
package import SystemPackage
import X509

/// What a certificate says: whose it is, for which names, until when.
package struct CertificateFacts: Hashable, Sendable {
    /// The file it was read from.
    package let path: FilePath
    let certificate: Certificate
    /// Certificates of issuers that the file has after the first.
    let others: [Certificate]

    /// Reads the first certificate of a PEM file, and remembers those that follow.
    ///
    /// - Parameter path: The file; symbolic links are followed.
    /// - Throws: ``CertificateFileError`` if there is none, naming what the file holds instead and what to do.
    package init(pemFile path: FilePath) throws(CertificateFileError) {
        try self.init(PEMFile(path))
    }

    init(_ file: PEMFile) throws(CertificateFileError) {
        let certificates = try file.certificates()
        path = file.path
        certificate = certificates[0]
        others = Array(certificates[1...])
    }

    init(path: FilePath, certificate: Certificate, others: [Certificate] = []) {
        self.path = path
        self.certificate = certificate
        self.others = others
    }

    /// The subject, such as `CN=mobyfs server on nas.example`.
    package var subject: String { certificate.subject.description.printable }
    /// The subject of the CA that signed it.
    package var issuer: String { certificate.issuer.description.printable }
    package var notBefore: Date { certificate.notValidBefore }
    package var notAfter: Date { certificate.notValidAfter }

    /// Where now lies in its time.
    package func validity(at now: Date = Date()) -> CertificateValidity {
        CertificateValidity(notBefore: notBefore, notAfter: notAfter, now: now)
    }

    /// The serial number, in hexadecimal.
    package var serialNumber: String {
        certificate.serialNumber.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// The kind of key, such as `ECDSA P-256`.
    package var keyType: String { certificate.publicKey.typeName }

    /// Whether it may sign other certificates.
    package var isAuthority: Bool {
        guard case .isCertificateAuthority = certificate.basicConstraints else { return false }
        return certificate.keyUsage?.keyCertSign ?? true
    }

    /// Whether it may be shown by a server, as one that names no purpose at all may, too.
    package var isForServers: Bool { allows(.serverAuth) }
    /// Whether it may be shown by a client.
    package var isForClients: Bool { allows(.clientAuth) }

    private func allows(_ usage: ExtendedKeyUsage.Usage) -> Bool {
        guard certificate.extensions[oid: .X509ExtensionID.extendedKeyUsage] != nil else { return true }
        let usages = certificate.usages
        return usages.contains(usage) || usages.contains(.any)
    }
}

// An extension that cannot be read is one that cannot be relied on: it counts as absent or as allowing nothing.
extension Certificate {
    var basicConstraints: BasicConstraints? { try? extensions.basicConstraints }
    var keyUsage: KeyUsage? { try? extensions.keyUsage }
    var usages: [ExtendedKeyUsage.Usage] { Array((try? extensions.extendedKeyUsage) ?? ExtendedKeyUsage()) }
    var alternativeNames: [GeneralName] {
        Array((try? extensions.subjectAlternativeNames) ?? SubjectAlternativeNames())
    }
}

extension Certificate.PublicKey {
    var typeName: String {
        let text = String(describing: self)
        guard let dot = text.firstIndex(of: ".") else { return text }
        let kind = text[..<dot]
        if kind.hasPrefix("RSA") { return "RSA \(kind.dropFirst(3))" }
        return kind.hasPrefix("P") ? "ECDSA P-\(kind.dropFirst())" : String(kind)
    }
}
