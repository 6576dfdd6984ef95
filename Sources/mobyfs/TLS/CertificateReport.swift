// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import FoundationEssentials
import PluginCertificates
import SystemPackage

/// An inspection, for people and for programs.
struct CertificateReport {
    private let inspection: CertificateInspection

    init(_ inspection: CertificateInspection) {
        self.inspection = inspection
    }

    var text: String {
        var lines: [String] = []
        for item in inspection.items {
            lines.append(item.path.string)
            for (name, value) in Self.rows(item) {
                lines.append("  \(name)\(String(repeating: " ", count: 10 - name.count))\(value)")
            }
        }
        if !inspection.findings.isEmpty, !lines.isEmpty { lines.append("") }
        lines += inspection.findings.map { "\($0.severity): \($0.text)" }
        if inspection.isSound {
            lines.append(
                inspection.fitsTogether
                    ? "ok: these files fit together for mutual TLS" : "ok: nothing is wrong with these")
        }
        return lines.joined(separator: "\n")
    }

    private static func rows(_ item: CertificateInspection.Item) -> [(String, String)] {
        if let key = item.key {
            var rows = [("is", "a private key, \(key.keyType), mode 0\(String(item.mode, radix: 8))")]
            if let counterpart = item.counterpart { rows.append(("key of", counterpart.string)) }
            return rows
        }
        guard let certificate = item.certificate else { return [] }
        var rows = [
            ("is", "\(kind(item.role)), \(certificate.keyType)"), ("subject", certificate.subject),
            ("issuer", certificate.issuer),
        ]
        if !certificate.hosts.isEmpty { rows.append(("names", certificate.hosts.joined(separator: ", "))) }
        rows.append(("from", certificate.notBefore.formatted(.iso8601)))
        rows.append(("until", "\(certificate.notAfter.formatted(.iso8601)), \(certificate.validity())"))
        if let signer = item.signer { rows.append(("signed by", signer.string)) }
        if let counterpart = item.counterpart { rows.append(("key", counterpart.string)) }
        return rows
    }

    private static func kind(_ role: CertificateInspection.Role?) -> String {
        switch role {
        case .authority: "the certificate of a CA"
        case .server: "a certificate for servers"
        case .client: "a certificate for clients"
        case .either, nil: "a certificate for servers and clients"
        }
    }

    var json: JSONValue {
        .object([
            "ok": .bool(inspection.isSound),
            "fitsTogether": .bool(inspection.fitsTogether),
            "files": .array(inspection.items.map(Self.json)),
            "findings": .array(
                inspection.findings.map {
                    .object([
                        "severity": .string($0.severity.rawValue), "path": .string($0.path.string),
                        "text": .string($0.text),
                    ])
                }),
        ])
    }

    private static func json(_ item: CertificateInspection.Item) -> JSONValue {
        var members: [String: JSONValue] = [
            "path": .string(item.path.string), "mode": .string("0" + String(item.mode, radix: 8)),
        ]
        members["role"] = item.role.map { .string($0.rawValue) }
        members["signedBy"] = item.signer.map { .string($0.string) }
        if let key = item.key {
            members["kind"] = "key"
            members["keyType"] = .string(key.keyType)
            members["certificate"] = item.counterpart.map { .string($0.string) }
        } else if let certificate = item.certificate {
            let validity = certificate.validity()
            members["kind"] = "certificate"
            members["keyType"] = .string(certificate.keyType)
            members["key"] = item.counterpart.map { .string($0.string) }
            members["subject"] = .string(certificate.subject)
            members["issuer"] = .string(certificate.issuer)
            members["serialNumber"] = .string(certificate.serialNumber)
            members["dnsNames"] = .array(certificate.dnsNames.map(JSONValue.string))
            members["ipAddresses"] = .array(certificate.ipAddresses.map(JSONValue.string))
            members["notBefore"] = .string(certificate.notBefore.formatted(.iso8601))
            members["notAfter"] = .string(certificate.notAfter.formatted(.iso8601))
            members["validity"] = .string(validity.state.rawValue)
            members["daysLeft"] = validity.state == .valid ? .integer(validity.seconds / 86400) : nil
        }
        return .object(members)
    }
}
