// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOSSL

extension TLSPeerCheck {
    /// Why a certificate was found bad, for TLS itself does not tell.
    func whatIsWrong(with certificate: NIOSSLCertificate) -> String {
        let now = time(nil)
        if certificate.notValidAfter < now {
            return "has a certificate that expired on \(Timestamp(certificate.notValidAfter)): renew it"
        }
        if certificate.notValidBefore > now {
            return "has a certificate that is valid from \(Timestamp(certificate.notValidBefore)) only: "
                + "is the clock right?"
        }
        let issuer = certificate.issuerName
        let trusted = caFile.map { "'\($0)' or among the system's authorities" } ?? "the system's authorities"
        guard let authority = authorities.first(where: { $0.subjectName == issuer }) else {
            return certificate.subjectName == issuer
                ? "has a certificate that it signed itself ('\(issuer.words)') and that is not in \(trusted)"
                : "has a certificate from an unknown authority: '\(issuer.words)' is not in \(trusted)"
        }
        if authority.notValidAfter < now {
            return "has a certificate from '\(issuer.words)', whose own in '\(caFile ?? "")' expired on "
                + "\(Timestamp(authority.notValidAfter))"
        }
        if !certificate.isForServers {
            return "has a certificate that is not meant for servers: its extended key usage lacks serverAuth"
        }
        if authority.issuerName != authority.subjectName {
            return "has a certificate from '\(issuer.words)', and the authority above that, "
                + "'\(authority.issuerName.words)', is not in \(trusted)"
        }
        return "has a certificate that claims to be from '\(issuer.words)', and was signed with another key than "
            + "that of the authority in '\(caFile ?? "")'"
    }
}

extension NIOSSLCertificate {
    /// Whether the certificate says that it is for servers, or does not say what it is for.
    fileprivate var isForServers: Bool {
        let purposes: [[UInt8]] = [
            [0x06, 0x08, 0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01],  // serverAuth
            [0x06, 0x04, 0x55, 0x1D, 0x25, 0x00],  // anyExtendedKeyUsage
        ]
        // A certificate that cannot be encoded again has been read from somewhere.
        guard let encoded = try? toDERBytes() else { return true }
        let usage: [UInt8] = [0x06, 0x03, 0x55, 0x1D, 0x25]  // extKeyUsage
        return encoded.firstRange(of: usage) == nil || purposes.contains { encoded.firstRange(of: $0) != nil }
    }
}

extension [SSLCertificateName] {
    /// The name by which people know the certificate: the common name, or else all there is.
    var words: String {
        (first { $0.type == .commonName }?.value ?? map(\.value).joined(separator: ", ")).shown
    }
}

/// A point in time as `2026-11-21 09:42:00 UTC`.
struct Timestamp: CustomStringConvertible {
    let description: String

    init(_ time: time_t) {
        var time = time
        var parts = tm()
        gmtime_r(&time, &parts)
        func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        description = "\(date) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) UTC"
    }
}
