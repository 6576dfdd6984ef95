// SPDX-License-Identifier: Apache-2.0

import Glibc
import SwiftASN1
import X509

extension CertificateFacts {
    /// The DNS names and the addresses it is valid for, in the order they have in it.
    package var hosts: [String] { certificate.alternativeNames.compactMap { $0.dnsName ?? $0.address } }

    /// The DNS names it is valid for, as written in it; `*.example` stands for one label.
    package var dnsNames: [String] { certificate.alternativeNames.compactMap(\.dnsName) }

    /// The addresses it is valid for, such as `192.0.2.1` and `2001:db8::1`.
    package var ipAddresses: [String] { certificate.alternativeNames.compactMap(\.address) }

    /// Whether a client that connects to this host accepts the certificate as that host's.
    ///
    /// As Go does it for engines: an address must be among the addresses, a name among the DNS names, where `*` is a
    /// whole first label; the common name of the subject counts for nothing.
    ///
    /// - Parameter host: A name or an address, without a port.
    /// - Returns: Whether the certificate is valid for it, whatever the time.
    package func isValid(forHost host: String) -> Bool {
        if let address = IPAddress(host) { return ipAddresses.contains(address.description) }
        let host = host.asName
        guard let dot = host.firstIndex(of: ".") else { return dnsNames.contains { $0.asName == host } }
        let wildcard = "*\(host[dot...])"
        return dnsNames.contains { $0.asName == host || $0.asName == wildcard }
    }
}

extension GeneralName {
    fileprivate var dnsName: String? {
        guard case .dnsName(let text) = self else { return nil }
        return text.printable
    }

    fileprivate var address: String? {
        guard case .ipAddress(let octets) = self else { return nil }
        return IPAddress(bytes: Array(octets.bytes))?.description
    }
}

extension String {
    /// A DNS name in the one way of writing it that is compared.
    fileprivate var asName: String {
        let name = lowercased()
        return name.hasSuffix(".") ? String(name.dropLast()) : name
    }
}

/// An IPv4 or IPv6 address.
struct IPAddress: Hashable, CustomStringConvertible {
    /// Four or sixteen bytes.
    let bytes: [UInt8]

    init?(bytes: [UInt8]) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    /// Reads an address as inet_pton(3) does.
    ///
    /// An IPv4 address in IPv6 clothes is taken for the IPv4 address, since certificates are compared with that.
    init?(_ text: String) {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 {
            self.bytes = Array(bytes[..<4])
        } else if inet_pton(AF_INET6, text, &bytes) == 1 {
            let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10...11] == [0xFF, 0xFF]
            self.bytes = isMapped ? Array(bytes[12...]) : bytes
        } else {
            return nil
        }
    }

    var isIPv6: Bool { bytes.count == 16 }
    /// Whether it stands for "any address of this host".
    var isUnspecified: Bool { bytes.allSatisfy { $0 == 0 } }

    var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(isIPv6 ? AF_INET6 : AF_INET, bytes, &text, socklen_t(text.count)) != nil else { return "" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
