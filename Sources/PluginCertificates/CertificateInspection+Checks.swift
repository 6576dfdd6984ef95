// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import SystemPackage
import X509

extension CertificateInspection {
    mutating func checkTime(of certificate: CertificateFacts) {
        let validity = certificate.validity(at: now)
        switch validity.state {
        case .expired:
            addFinding(.error, certificate.path, "\(validity), on \(certificate.notAfter.utcDay): renew it")
        case .notYetValid:
            addFinding(
                .error, certificate.path, "is \(validity): is the clock wrong, here or where it was made?")
        case .valid where validity.isEnding:
            addFinding(.warning, certificate.path, "has \(validity), until \(certificate.notAfter.utcDay): renew it")
        case .valid:
            break
        }
    }

    mutating func checkPurpose(of certificate: CertificateFacts, as role: Role) {
        let path = certificate.path
        switch role {
        case .authority:
            if !certificate.isAuthority {
                addFinding(.error, path, "is not the certificate of a CA: it may not sign others")
            }
            // Whoever trusts a CA trusts it without looking at its own signature.
            return
        case .server:
            if certificate.isAuthority { addFinding(.warning, path, "is the certificate of a CA, not of a server") }
            if !certificate.isForServers {
                addFinding(.error, path, "is not for servers\(certificate.hint(orElse: "engines refuse it"))")
            }
        case .client:
            if !certificate.isForClients {
                addFinding(.error, path, "is not for clients\(certificate.hint(orElse: "mobyfs refuses it"))")
            }
            // Not among the algorithms that BoringSSL asks clients for.
            if ["Ed25519", "ECDSA P-521"].contains(certificate.keyType) {
                addFinding(
                    .error, path,
                    "has an \(certificate.keyType) key, which mobyfs takes from no client: use ECDSA P-256 or RSA")
            }
        case .either:
            if !certificate.isForClients, !certificate.isForServers {
                addFinding(.error, path, "is neither for servers nor for clients")
            }
        }
        if role == .server, certificate.dnsNames.isEmpty, certificate.ipAddresses.isEmpty {
            addFinding(
                .error, path, "names no host: engines look for a subject alternative name and ignore the common name")
        }
        if certificate.certificate.signatureAlgorithm == .sha1WithRSAEncryption {
            addFinding(.error, path, "is signed with SHA-1, which engines refuse")
        }
    }

    /// Finds the certificate of each key and the other way round.
    mutating func matchKeys(mustFit: Bool) {
        for index in items.indices {
            guard let key = items[index].key else { continue }
            let fitting = items.filter { item in item.certificate.map(key.fits) ?? false }
            let role = items[index].role
            guard let match = fitting.first(where: { role == nil || $0.role == role }) else {
                let hint = fitting.first.map { "; it is that of '\($0.path)'" } ?? ""
                // In a set, a key's place says whose it should be.
                if let own = items.first(where: { $0.certificate != nil && $0.role == role }) {
                    addFinding(.error, key.path, "is not the key of '\(own.path)'\(hint)")
                } else if mustFit, role == nil {
                    addFinding(.error, key.path, "is the key of none of these certificates")
                }
                continue
            }
            items[index].counterpart = match.path
            items[index].role = match.role
            for other in items.indices where items[other].path == match.path { items[other].counterpart = key.path }
        }
    }

    mutating func checkCompleteness(of set: CertificateSet, _ files: [CertificateSet.File]) {
        func has(_ file: CertificateSet.File) -> Bool { files.contains(file) }
        if !has(.authority) {
            addFinding(.error, set.path(of: .authority), "is missing: without the CA neither side can check the other")
        }
        if !has(.authorityKey), has(.authority) {
            addFinding(.note, set.path(of: .authorityKey), "is elsewhere, which is safer; a renewal needs it")
        }
        for (certificate, key) in [(CertificateSet.File.server, CertificateSet.File.serverKey), (.client, .clientKey)] {
            if has(certificate) != has(key) {
                let missing = has(certificate) ? key : certificate
                let present = has(certificate) ? certificate : key
                addFinding(
                    .error, set.path(of: missing), "is missing: '\(present.rawValue)' is of no use without it")
            }
        }
        switch (has(.server) || has(.serverKey), has(.client) || has(.clientKey)) {
        case (true, true): break
        case (false, true): addFinding(.note, set.directory, "has no server certificate: enough for an engine alone")
        case (true, false): addFinding(.note, set.directory, "has no client certificate: engines need one")
        case (false, false):
            addFinding(.error, set.directory, "has neither a server's certificate nor a client's")
        }
    }

    mutating func checkPermissions(ofKey path: FilePath, mode: UInt32) {
        let digits = "0" + String(mode, radix: 8)
        if mode & 0o007 != 0 {
            addFinding(.error, path, "is a key that everybody can read or replace (mode \(digits)): chmod 600")
        } else if mode & 0o070 != 0 {
            addFinding(.warning, path, "is a key that its group can read or replace (mode \(digits)): chmod 600")
        }
    }

    mutating func checkPermissions(ofDirectory path: FilePath) {
        var status = stat()
        guard stat(path.string, &status) == 0 else { return }
        if status.st_mode & 0o002 != 0, status.st_mode & S_ISVTX == 0 {
            addFinding(.error, path, "is a directory where everybody can replace files: chmod 700")
        }
    }
}

extension CertificateFacts {
    /// What it is for instead, or what comes of its being for neither.
    fileprivate func hint(orElse consequence: String) -> String {
        if isForServers { return " but for servers: are the two certificates swapped?" }
        if isForClients { return " but for clients: are the two certificates swapped?" }
        return ": \(consequence)"
    }
}
