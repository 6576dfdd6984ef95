// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOSSL

/// The names in a certificate, compared with a host as Go compares them.
///
/// Go looks at the subject alternative names and never at the common name. An IP address in the address of a plugin
/// has to be in the certificate as such, a name has to be there as a name, and a `*` stands for a whole first label.
/// Source: `VerifyHostname` in Go's `crypto/x509`.
package struct CertificateNames: Hashable {
    package let dnsNames: [String]
    package let addresses: [[UInt8]]

    init(_ certificate: NIOSSLCertificate) {
        var dnsNames: [String] = []
        var addresses: [[UInt8]] = []
        for name in certificate._subjectAlternativeNames() {
            switch name.nameType {
            case .dnsName: dnsNames.append(String(decoding: name.contents, as: UTF8.self))
            case .ipAddress: addresses.append(Array(name.contents))
            default: continue
            }
        }
        self.init(dnsNames: dnsNames, addresses: addresses)
    }

    package init(dnsNames: [String], addresses: [[UInt8]]) {
        self.dnsNames = dnsNames
        self.addresses = addresses
    }

    /// All names, as people write them.
    package var all: [String] { dnsNames.map(\.shown) + addresses.map(Self.text) }

    /// All names for a sentence.
    var listed: String {
        all.isEmpty ? "no name" : all.prefix(8).map { "'\($0)'" }.joined(separator: ", ") + (all.count > 8 ? "..." : "")
    }

    /// Whether the certificate is for the host.
    package func fit(_ host: String) -> Bool {
        if let address = Self.bytes(of: host) { return addresses.contains(address) }
        let labels = Self.labels(of: host)
        return dnsNames.contains { pattern in
            let wanted = Self.labels(of: pattern)
            guard wanted.count == labels.count, !labels.contains("") else { return false }
            return zip(wanted, labels).enumerated().allSatisfy { index, pair in
                (index == 0 && pair.0 == "*" && labels.count > 1) || pair.0 == pair.1
            }
        }
    }

    private static func labels(of name: String) -> [Substring] {
        let name = name.hasSuffix(".") ? name.dropLast() : name[...]
        return String(name).lowercased().split(separator: ".", omittingEmptySubsequences: false)
    }

    /// An IP address in network order: 4 bytes, or 16; nil if the host is a name.
    private static func bytes(of host: String) -> [UInt8]? {
        var short = in_addr()
        if inet_pton(AF_INET, host, &short) == 1 { return withUnsafeBytes(of: short) { Array($0) } }
        var long = in6_addr()
        return inet_pton(AF_INET6, host, &long) == 1 ? withUnsafeBytes(of: long) { Array($0) } : nil
    }

    private static func text(_ address: [UInt8]) -> String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = address.count == 4 ? AF_INET : AF_INET6
        guard address.count == 4 || address.count == 16,
            inet_ntop(family, address, &text, socklen_t(text.count)) != nil
        else { return "an IP address of \(address.count) bytes" }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
