// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MobyFSHost
import MobyFSTesting
import PluginCertificates
import SystemPackage
import Testing

@Suite struct CertificateInspectionTests {
    @Test func aNewSetFitsTogether() async throws {
        try await withSet(hosts: ["nas"]) { set in
            let inspection = try CertificateInspection(of: set)
            #expect(inspection.findings.isEmpty)
            #expect(inspection.fitsTogether)
            #expect(inspection.items.count == 6)
            let server = try #require(inspection.items.first { $0.path == set.path(of: .server) })
            #expect(server.role == .server)
            #expect(server.signer == set.path(of: .authority))
            #expect(server.counterpart == set.path(of: .serverKey))
        }
    }

    @Test(arguments: [
        (-2.0, "not valid for another 1 day", false), (700, nil, true), (796, "has 28 days left", true),
        (826, "expired 1 day ago", false), (830, "expired 5 days ago", false), (4000, "ca.pem' expired", false),
    ])
    func saysWhenItsTimeIsOver(day: Double, saying: String?, isSound: Bool) async throws {
        try await withSet(hosts: ["nas"]) { set in
            let inspection = try CertificateInspection(of: set, now: Date() + day * 86400 + 60)
            #expect(inspection.isSound == isSound)
            #expect(saying.map { inspection.says($0) } ?? inspection.findings.isEmpty, "\(inspection.findings)")
        }
    }

    /// What is done to a good set by a shell, and what is found.
    private static let mishaps: [(command: String, severity: CertificateFinding.Severity, saying: String)] = [
        ("chmod 644 server-key.pem", .error, "everybody can read"),
        ("chmod 640 server-key.pem", .warning, "its group can read"),
        ("chmod 777 .", .error, "everybody can replace"), ("chmod 666 ca.pem", .error, "replaced by everybody"),
        ("rm ca.pem", .error, "ca.pem' is missing"), ("rm server-key.pem", .error, "of no use without it"),
        ("rm client-cert.pem", .error, "of no use without it"), ("rm ca-key.pem", .note, "is elsewhere"),
        ("rm client-*", .note, "engines need one"), ("rm server-*", .note, "enough for an engine"),
        ("rm client-* server-*", .error, "neither a server's certificate nor a client's"),
        ("cp client-key.pem server-key.pem", .error, "is not the key of"),
        ("cp client-key.pem server-key.pem", .error, "it is that of"),
        (
            "mv server-cert.pem x; mv client-cert.pem server-cert.pem; mv x client-cert.pem", .error,
            "certificates swapped"
        ),
        ("mv server-cert.pem x; mv server-key.pem server-cert.pem; mv x server-key.pem", .error, "and key swapped"),
        ("cp server-cert.pem ca.pem", .error, "not the certificate of a CA"),
        ("cp ../other/ca.pem .", .error, "another CA of the same name"),
        ("cp ../stranger/ca.pem .", .error, "is signed by 'CN=mobyfs CA on nas', not by"),
        ("cp ../other/server-key.pem .", .error, "is not the key of"),
        ("truncate -s 0 server-key.pem", .error, "is empty"), ("truncate -s 300 server-cert.pem", .error, "has no END"),
        ("rm server-key.pem; mkdir server-key.pem", .error, "is a directory"),
        ("ln -sf nowhere server-key.pem", .error, "No such file"),
    ]

    @Test(arguments: mishaps.indices)
    func findsWhatWentWrong(index: Int) async throws {
        let (command, severity, saying) = Self.mishaps[index]
        try await withSet(hosts: ["nas"]) { set in
            let root = set.directory.removingLastComponent()
            try CertificateSet(root.appending("other")).create(hosts: [CertifiedHost("nas")])
            try CertificateSet(root.appending("stranger")).create(hosts: [CertifiedHost("elsewhere")])
            let hasRun = try await shell("cd '\(set.directory)' && \(command)")
            try #require(hasRun)
            let inspection = try CertificateInspection(of: set)
            #expect(inspection.says(saying, severity), "\(inspection.findings)")
            #expect(inspection.isSound == (severity != .error))
        }
    }

    /// Each of the commands that make a good server pair with openssl, but for one thing.
    @Test(
        .enabled(if: OpenSSL.isPresent, "needs /usr/bin/openssl"),
        arguments: [
            ("subjectAltName=DNS:nas\nextendedKeyUsage=serverAuth", nil, true), ("subjectAltName=DNS:nas", nil, true),
            ("subjectAltName=DNS:nas\nbasicConstraints=CA:TRUE", "of a CA, not of a server", true),
            ("extendedKeyUsage=serverAuth", "names no host", false),
            ("subjectAltName=DNS:nas\nextendedKeyUsage=codeSigning", "engines refuse it", false),
            ("subjectAltName=DNS:nas\nextendedKeyUsage=clientAuth", "for clients", false),
        ])
    func judgesWhatOpenSSLMade(extensions: String, saying: String?, isSound: Bool) async throws {
        try await withTemporaryDirectory { root in
            try await OpenSSL.makeAuthority(in: root)
            try await OpenSSL.makeLeaf("server", extensions: extensions, in: root)
            let inspection = try CertificateInspection(of: CertificateSet(root))
            #expect(inspection.isSound == isSound, "\(inspection.findings)")
            if let saying { #expect(inspection.says(saying), "\(inspection.findings)") }
        }
    }

    @Test(.enabled(if: OpenSSL.isPresent, "needs /usr/bin/openssl"))
    func followsAChainThroughAnIntermediateAuthority() async throws {
        try await withTemporaryDirectory { root in
            try await OpenSSL.makeAuthority("/CN=root", in: root)
            try await OpenSSL.makeLeaf("middle", extensions: "basicConstraints=critical,CA:TRUE", in: root)
            let (folder, leaf) = (root.appending("leaf"), "subjectAltName=DNS:nas\nextendedKeyUsage=serverAuth")
            try Directories.create(folder, mode: 0o700)
            try folder.appending("ca.pem").write(try root.appending("middle-cert.pem").text)
            try folder.appending("ca-key.pem").write(try root.appending("middle-key.pem").text)
            try await OpenSSL.makeLeaf("server", extensions: leaf, in: folder)
            let (server, authority) = (folder.appending("server-cert.pem"), root.appending("ca.pem"))
            let files = [server, folder.appending("server-key.pem"), authority]
            let alone = CertificateInspection(files: files)
            #expect(alone.says("is signed by 'CN=middle'"), "\(alone.findings)")
            try server.write(try server.text + folder.appending("ca.pem").text)
            let inspection = CertificateInspection(files: files)
            #expect(inspection.fitsTogether, "\(inspection.findings)")
            #expect(inspection.items.first { $0.path == server }?.signer == authority)
        }
    }

    @Test(.enabled(if: OpenSSL.isPresent, "needs /usr/bin/openssl"))
    func refusesSHA1AndWhatIsSignedByItself() async throws {
        try await withTemporaryDirectory { root in
            try await OpenSSL.makeAuthority(in: root)
            try await OpenSSL.makeLeaf("old", extensions: "subjectAltName=DNS:nas", in: root)
            try await OpenSSL.get(
                "x509 -req -sha1 -in old.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out old-cert.pem", in: root)
            try await OpenSSL.get(
                "req -x509 -key old-key.pem -subj /CN=self -addext basicConstraints=critical,CA:FALSE -out self.pem",
                in: root)
            let files = ["ca.pem", "old-cert.pem", "self.pem"].map { root.appending($0) }
            let inspection = CertificateInspection(files: files)
            #expect(inspection.says("SHA-1"), "\(inspection.findings)")
            #expect(inspection.says("is signed by itself"), "\(inspection.findings)")
        }
    }

    /// Files of any name are told apart by what they say.
    @Test func findsOutWhatFilesAreFor() async throws {
        try await withSet(hosts: ["nas"]) { set in
            let names: [(CertificateSet.File, String)] = [(.authority, "a"), (.client, "b"), (.clientKey, "c")]
            for (file, name) in names { try set.directory.appending(name).write(try set.path(of: file).text) }
            let files = names.map { set.directory.appending($0.1) }
            let inspection = CertificateInspection(files: files)
            #expect(inspection.fitsTogether, "\(inspection.findings)")
            #expect(inspection.items.map(\.role) == [.authority, .client, .client])
            let alone = CertificateInspection(files: [files[1]])
            #expect(alone.isSound && !alone.fitsTogether)
            let strangers = CertificateInspection(files: [set.path(of: .server), files[2]])
            #expect(strangers.says("the key of none of these"), "\(strangers.findings)")
        }
    }

    @Test func saysWhereThereIsNothing() async throws {
        try await withTemporaryDirectory { root in
            for directory in [root, root.appending("none")] {
                let error = try #require(throws: CertificateSetError.self) {
                    try CertificateInspection(of: CertificateSet(directory))
                }
                #expect(error.description.contains("mobyfs tls create"))
            }
        }
    }
}

extension CertificateInspection {
    /// Whether a finding has these words in it.
    fileprivate func says(_ text: String, _ severity: CertificateFinding.Severity? = nil) -> Bool {
        findings.contains { $0.text.contains(text) && (severity == nil || $0.severity == severity) }
    }
}
