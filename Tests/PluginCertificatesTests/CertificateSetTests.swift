// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MobyFSTesting
import PluginCertificates
import SystemPackage
import Testing

/// What is made, judged by OpenSSL.
@Suite(.enabled(if: OpenSSL.isPresent, "needs /usr/bin/openssl")) struct CertificateSetTests {
    static let hosts = ["nas.example", "*.storage.example", "192.0.2.7", "2001:db8::7"]

    @Test func opensslTrustsEachSideForItsPurposeAlone() async throws {
        try await withSet(hosts: Self.hosts) { set in
            for (name, purpose, other) in [("server", "sslserver", "sslclient"), ("client", "sslclient", "sslserver")] {
                let command = "verify -x509_strict -CAfile ca.pem -purpose"
                try await OpenSSL.get("\(command) \(purpose) \(name)-cert.pem", in: set.directory)
                let wrong = try await OpenSSL.run("\(command) \(other) \(name)-cert.pem", in: set.directory)
                #expect(!wrong.succeeded, "\(wrong.output)")
            }
        }
    }

    @Test(arguments: [
        ("-verify_hostname nas.example", true), ("-verify_hostname a.storage.example", true),
        ("-verify_hostname storage.example", false), ("-verify_hostname other.example", false),
        ("-verify_hostname localhost", true), ("-verify_ip 192.0.2.7", true), ("-verify_ip 2001:db8::7", true),
        ("-verify_ip 127.0.0.1", true), ("-verify_ip ::1", true), ("-verify_ip 192.0.2.8", false),
    ])
    func isValidForItsHostsAndTheLoopbackInterface(check: String, holds: Bool) async throws {
        try await withSet(hosts: Self.hosts) { set in
            let verdict = try await OpenSSL.run("verify -CAfile ca.pem \(check) server-cert.pem", in: set.directory)
            #expect(verdict.succeeded == holds, "\(verdict.output)")
            let host = try #require(check.split(separator: " ").last)
            let facts = try CertificateFacts(pemFile: set.path(of: .server))
            #expect(facts.isValid(forHost: String(host)) == holds)
        }
    }

    @Test func marksConstraintsAndUsageAsCritical() async throws {
        try await withSet(hosts: ["nas"]) { set in
            let authority = try await OpenSSL.get("x509 -in ca.pem -noout -text", in: set.directory)
            #expect(authority.contains("Basic Constraints: critical\n                CA:TRUE, pathlen:0"))
            #expect(authority.contains("Key Usage: critical\n                Certificate Sign, CRL Sign"))
            #expect(authority.contains("Subject: CN = mobyfs CA on nas"))
            let server = try await OpenSSL.get("x509 -in server-cert.pem -noout -text", in: set.directory)
            #expect(server.contains("Basic Constraints: critical\n                CA:FALSE"))
            #expect(server.contains("Key Usage: critical\n                Digital Signature\n"))
            #expect(server.contains("ecdsa-with-SHA256"))
            #expect(server.contains("prime256v1"))
            #expect(server.contains("Authority Key Identifier"))
        }
    }

    @Test func keysArePKCS8AndFitTheirCertificates() async throws {
        try await withSet(hosts: ["nas"]) { set in
            for name in ["ca", "server", "client"] {
                let certificate = name == "ca" ? "ca.pem" : "\(name)-cert.pem"
                #expect(try set.directory.appending("\(name)-key.pem").text.hasPrefix("-----BEGIN PRIVATE KEY-----\n"))
                let fromKey = try await OpenSSL.get("pkey -in \(name)-key.pem -pubout", in: set.directory)
                let fromCertificate = try await OpenSSL.get("x509 -in \(certificate) -noout -pubkey", in: set.directory)
                #expect(fromKey == fromCertificate)
            }
        }
    }

    @Test func serialNumbersAreDistinctAndPositive() async throws {
        try await withSet(hosts: ["nas"]) { set in
            let serials = try [CertificateSet.File.authority, .server, .client].map {
                try CertificateFacts(pemFile: set.path(of: $0)).serialNumber
            }
            #expect(Set(serials).count == 3)
            for (file, serial) in zip(["ca.pem", "server-cert.pem", "client-cert.pem"], serials) {
                let printed = try await OpenSSL.get("x509 -in \(file) -noout -serial", in: set.directory)
                #expect(printed == "serial=\(serial.uppercased())\n")
                #expect(serial.count == 32)
            }
        }
    }

    @Test func lastsAsLongAsAskedForFromAnHourAgo() async throws {
        try await withTemporaryDirectory { root in
            let now = Date(timeIntervalSince1970: 1_800_000_000)
            let set = CertificateSet(root.appending("tls"))
            // Beyond 2049 the time has another form in a certificate.
            let result = try set.create(
                hosts: [CertifiedHost("nas")], lifetimes: .init(leaf: 30, authority: 36500), now: now)
            #expect(result.server.notBefore == now - 3600)
            #expect(result.server.notAfter == now + 30 * 86400)
            #expect(result.authority.notAfter == now + 36500 * 86400)
            #expect(try CertificateFacts(pemFile: set.path(of: .authority)).notAfter == result.authority.notAfter)
            let printed = try await OpenSSL.get("x509 -in ca.pem -noout -enddate", in: set.directory)
            #expect(printed.contains("2126"))
        }
    }

    @Test func keepsLongNamesWithinTheLimitOfACommonName() async throws {
        let name = (1...4).map { _ in String(repeating: "a", count: 60) }.joined(separator: ".")
        try await withSet(hosts: [name]) { set in
            let facts = try CertificateFacts(pemFile: set.path(of: .authority))
            #expect(facts.subject.count == "CN=".count + 64)
            let check = "verify -x509_strict -CAfile ca.pem -verify_hostname \(name) server-cert.pem"
            try await OpenSSL.get(check, in: set.directory)
        }
    }

    @Test func renewalIsTrustedByWhoeverTrustedTheFirst() async throws {
        try await withSet(hosts: Self.hosts) { set in
            let before = try Dictionary(
                uniqueKeysWithValues: CertificateSet.File.allCases.map { ($0, try set.path(of: $0).text) })
            let result = try set.renew(hosts: nil)
            #expect(result.written == [.server, .client])
            for file in CertificateSet.File.allCases {
                let isSame = try set.path(of: file).text == before[file]
                #expect(isSame == !result.written.contains(file), "\(file)")
            }
            #expect(result.hosts.map(\.description).starts(with: Self.hosts))
            for name in ["server", "client"] {
                let check = "verify -x509_strict -CAfile ca.pem -purpose ssl\(name) \(name)-cert.pem"
                try await OpenSSL.get(check, in: set.directory)
            }
            #expect(try CertificateInspection(of: set).fitsTogether)
        }
    }

    @Test func renewalTakesOtherHosts() async throws {
        try await withSet(hosts: ["old.example"]) { set in
            try set.renew(hosts: [CertifiedHost("new.example")])
            let facts = try CertificateFacts(pemFile: set.path(of: .server))
            #expect(facts.hosts == ["new.example", "localhost", "127.0.0.1", "::1"])
        }
    }

    /// No certificate is valid for longer than the CA that signed it.
    @Test func renewalEndsWithTheAuthority() async throws {
        try await withTemporaryDirectory { root in
            let set = CertificateSet(root.appending("tls"))
            try set.create(hosts: [CertifiedHost("nas")], lifetimes: .init(leaf: 10, authority: 100))
            let result = try set.renew(hosts: nil, days: 200)
            #expect(result.server.notAfter == result.authority.notAfter)
            let tooLate = Date() + 101.5 * 86400
            let error = try #require(throws: CertificateSetError.self) { try set.renew(hosts: nil, now: tooLate) }
            #expect(error.description.contains("expired 1 day ago"))
        }
    }

    /// RSA, made elsewhere, with a key of its own for the server.
    @Test func signsWithAnAuthorityMadeElsewhere() async throws {
        try await withTemporaryDirectory { root in
            let set = CertificateSet(root)
            try await OpenSSL.makeAuthority("/C=DE/O=Example/CN=house", in: root)
            try await OpenSSL.get("genrsa -out server-key.pem 2048", in: root)
            let key = try root.appending("server-key.pem").text
            #expect(throws: CertificateSetError.self) { try set.create(hosts: [CertifiedHost("nas")]) }
            let result = try set.renew(hosts: [CertifiedHost("nas")])
            #expect(result.written == [.server, .client, .clientKey])
            #expect(try root.appending("server-key.pem").text == key)
            #expect(result.server.keyType == "RSA 2048")
            for name in ["server", "client"] {
                let check = "verify -x509_strict -CAfile ca.pem -purpose ssl\(name) \(name)-cert.pem"
                try await OpenSSL.get(check, in: root)
            }
            #expect(try CertificateInspection(of: set).fitsTogether)
        }
    }

    @Test func renewalSaysWhyItCannotSign() async throws {
        try await withSet(hosts: ["nas"]) { set in
            let key = try set.path(of: .authorityKey).text
            try set.path(of: .authorityKey).write(try set.path(of: .serverKey).text)
            #expect(try renewalError(of: set).contains("is not the key of"))
            try await OpenSSL.get("rand -out ca-key.pem 10", in: set.directory)
            #expect(try renewalError(of: set).contains("no private key"))
            try set.path(of: .authorityKey).write(key)
            try set.path(of: .authority).write(try set.path(of: .server).text)
            #expect(try renewalError(of: set).contains("not the certificate of a CA"))
        }
    }

    private func renewalError(of set: CertificateSet) throws -> String {
        let error = try #require(throws: (any Error).self) { try set.renew(hosts: nil) }
        return "\(error)"
    }
}

/// Runs `body` with a set made for some hosts.
func withSet(hosts: [String], _ body: (CertificateSet) async throws -> Void) async throws {
    try await withTemporaryDirectory { root in
        let set = CertificateSet(root.appending("tls"))
        try set.create(hosts: hosts.map { name throws in try CertifiedHost(name) })
        try await body(set)
    }
}
