// SPDX-License-Identifier: Apache-2.0

import SwiftASN1
import X509

/// A name or an address that a server certificate is made for.
package struct CertifiedHost: Hashable, Sendable, CustomStringConvertible {
    private enum Kind: Hashable {
        case name(String)
        case address([UInt8])
    }

    private let kind: Kind
    /// The name in lower case, or the address in its usual form.
    package let description: String

    /// What a client on the same host connects to.
    package static let loopback = ["localhost", "127.0.0.1", "::1"].compactMap { try? CertifiedHost($0) }  // all good

    /// Reads a host.
    ///
    /// - Parameter text: `nas.example`, `*.example.org`, `192.0.2.1` or `2001:db8::1`.
    /// - Throws: ``CertifiedHostError`` that says what to give instead.
    package init(_ text: String) throws(CertifiedHostError) {
        if let address = IPAddress(text) {
            guard !address.isUnspecified else {
                throw CertifiedHostError(
                    text, "is where a server listens, not where engines connect to: give a name or address of this host"
                )
            }
            kind = .address(address.bytes)
            description = address.description
            return
        }
        let name = text.lowercased()
        if let complaint = Self.complaint(about: name, given: text) { throw CertifiedHostError(text, complaint) }
        // The root's dot is no part of a name in a certificate (RFC 6125, 6.4.1).
        description = name.hasSuffix(".") ? String(name.dropLast()) : name
        kind = .name(description)
    }

    package var isAddress: Bool { if case .address = kind { true } else { false } }
    package var isWildcard: Bool { description.hasPrefix("*") }

    /// The host as it stands in a URL.
    package var urlText: String { description.contains(":") ? "[\(description)]" : description }

    var generalName: GeneralName {
        switch kind {
        case .name(let name): .dnsName(name)
        case .address(let bytes): .ipAddress(ASN1OctetString(contentBytes: bytes[...]))
        }
    }
}

extension CertifiedHost {
    /// Says why something that is no address is no name either.
    private static func complaint(about name: String, given text: String) -> String? {
        if text.isEmpty { return "is empty: give a name or an address that engines connect to" }
        if text.contains(where: { $0.isWhitespace || $0 == "," }) {
            return "is more than one word: give --host once for each name"
        }
        if let range = text.firstRange(of: "://") {
            let host = text[range.upperBound...].prefix { $0 != "/" }
            return "is a URL: give the host alone\(suggestion(withoutPort(String(host))))"
        }
        if text.hasPrefix("[") || withoutPort(text) != text {
            return "has more than a host: give it without port and brackets\(suggestion(withoutPort(text)))"
        }
        if text.contains("%"), text.contains(":") {
            return "names an interface, which is no part of an address in a certificate"
        }
        if text.contains(":") { return "is no IPv6 address: give eight groups of hexadecimal digits, or '::' for some" }
        if text.contains("/") {
            return "has a slash: give the host alone\(suggestion(String(text.prefix { $0 != "/" })))"
        }
        if !text.utf8.allSatisfy({ $0 < 0x80 }) {
            return "is not ASCII: give the name as DNS has it, which begins with xn--"
        }
        return complaint(aboutLabelsOf: name.hasSuffix(".") ? String(name.dropLast()) : name)
    }

    private static func complaint(aboutLabelsOf name: String) -> String? {
        var labels = name.split(separator: ".", omittingEmptySubsequences: false)
        if labels.first == "*" {
            labels.removeFirst()
            if labels.count < 2 { return "stands for too much: after '*.' give a domain of two parts or more" }
        }
        if labels.contains(where: { $0.contains("*") }) { return "has '*' elsewhere than as its whole first part" }
        if name.utf8.count > 253 { return "is longer than the 253 characters of a DNS name" }
        for label in labels {
            if label.isEmpty { return "has an empty part: between two dots there must be something" }
            if label.utf8.count > 63 { return "has a part longer than 63 characters" }
            if label.hasPrefix("-") || label.hasSuffix("-") { return "has a part that begins or ends with '-'" }
            guard label.utf8.allSatisfy(isNameByte) else { return "is no host name: letters, digits, '-' and '.' only" }
        }
        // No top-level domain is a number: this is an address with a mistake.
        if let last = labels.last, last.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            return "is no IPv4 address: give four numbers from 0 to 255 without leading zeros"
        }
        return nil
    }

    /// DNS has no underscore in the names of hosts, but containers do.
    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// `nas` of `nas:8443`, `::1` of `[::1]:8443`, and everything else as it is.
    private static func withoutPort(_ text: String) -> String {
        if text.hasPrefix("[") { return String(text.dropFirst().prefix { $0 != "]" }) }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 ? String(parts[0]) : text
    }

    /// `, 'nas'`, if that is a good host.
    private static func suggestion(_ text: String) -> String {
        guard let host = try? CertifiedHost(text) else { return "" }  // no better than what was given
        return ", '\(host)'"
    }
}

/// Why something is no host to make a certificate for.
package struct CertifiedHostError: Error, Hashable, CustomStringConvertible {
    /// What was given.
    package let host: String
    /// What is wrong and what to give instead.
    package let description: String

    init(_ host: String, _ complaint: String) {
        self.host = host
        description = "host '\(String(host.printable.prefix(300)))' \(complaint)"
    }
}
