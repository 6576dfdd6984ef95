// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import SystemPackage
import X509

extension CertificateInspection {
    /// Finds the CA that a certificate leads to, through those of intermediate CAs that its file may have, too.
    ///
    /// - Returns: The file of the CA, or nil and a finding if there is none among the files.
    mutating func checkSigner(of facts: CertificateFacts) -> FilePath? {
        let authorities = items.filter { $0.role == .authority }.compactMap(\.certificate)
        guard !authorities.isEmpty else {
            addFinding(.note, facts.path, "is signed by '\(facts.issuer)', which is not among these files")
            return nil
        }
        var certificate = facts.certificate
        // As deep as anybody's chain is, and an end to certificates that sign each other.
        for _ in 0...facts.others.count {
            if let authority = authorities.first(where: { $0.hasSigned(certificate) }) {
                if facts.notAfter > authority.notAfter {
                    addFinding(
                        .warning, facts.path,
                        "is of use only until '\(authority.path)' ends, on \(authority.notAfter.utcDay)")
                }
                return authority.path
            }
            guard let next = facts.others.first(where: { $0 != certificate && $0.hasSigned(certificate) }) else {
                break
            }
            certificate = next
        }
        let issuer = certificate.issuer.description
        if let namesake = authorities.first(where: { $0.allSubjects.contains(certificate.issuer) }) {
            addFinding(
                .error, facts.path,
                "is signed by another CA of the same name as '\(namesake.path)': one of the two is from another set")
        } else if certificate.issuer == certificate.subject, certificate == facts.certificate {
            addFinding(.error, facts.path, "is signed by itself, not by '\(authorities[0].path)'")
        } else {
            addFinding(
                .error, facts.path,
                "is signed by '\(issuer)', not by '\(authorities[0].path)', which is '\(authorities[0].subject)'")
        }
        return nil
    }
}

extension CertificateFacts {
    /// All certificates of the file: that of a CA may have several.
    private var all: [Certificate] { [certificate] + others }

    fileprivate var allSubjects: [DistinguishedName] { all.map(\.subject) }

    fileprivate func hasSigned(_ certificate: Certificate) -> Bool { all.contains { $0.hasSigned(certificate) } }
}

extension Certificate {
    /// Whether this is the certificate of the CA that signed another.
    fileprivate func hasSigned(_ other: Certificate) -> Bool {
        guard other.issuer == subject, case .isCertificateAuthority = basicConstraints,
            keyUsage?.keyCertSign ?? true
        else { return false }
        return publicKey.isValidSignature(other.signature, for: other)
    }
}
