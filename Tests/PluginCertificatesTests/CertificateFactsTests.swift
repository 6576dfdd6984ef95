// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MobyFSHost
import MobyFSTesting
import PluginCertificates
import SystemPackage
import Testing

/// What is read of files that others made, and what is said of files that are something else.
@Suite(.enabled(if: OpenSSL.isPresent, "needs /usr/bin/openssl")) struct CertificateFactsTests {
    @Test(arguments: [
        ("rsa:2048", "RSA 2048"), ("rsa:3072", "RSA 3072"), ("ec -pkeyopt ec_paramgen_curve:P-384", "ECDSA P-384"),
        ("ed25519", "Ed25519"),
    ])
    func readsForeignCertificatesAndKeys(key: String, keyType: String) async throws {
        try await withTemporaryDirectory { root in
            try await OpenSSL.makeAuthority("/C=DE/O=Example/CN=house", key: key, in: root)
            let facts = try CertificateFacts(pemFile: root.appending("ca.pem"))
            #expect(facts.keyType == keyType)
            #expect(facts.isAuthority)
            #expect(facts.subject == "CN=house,O=Example,C=DE")
            let privateKey = try PrivateKeyFacts(pemFile: root.appending("ca-key.pem"))
            #expect(privateKey.keyType == keyType)
            #expect(privateKey.fits(facts))
        }
    }

    @Test func readsNamesPurposesAndChains() async throws {
        try await withTemporaryDirectory { root in
            try await OpenSSL.makeAuthority(in: root)
            try await OpenSSL.makeLeaf(
                "web",
                extensions: """
                    subjectAltName=DNS:b.example,IP:192.0.2.1,DNS:a.example,email:a@b.example,IP:2001:db8::1
                    extendedKeyUsage=clientAuth,serverAuth
                    """, in: root)
            let path = root.appending("web-cert.pem")
            // Text before, between and after, lines of another length, other line ends.
            let web = try path.text.split(separator: "\n")
            let body = web[1..<(web.count - 1)].joined()
            try path.write(
                "Certificate:\r\n  x\r\n\(web[0])\r\n\(body)\r\n\(web[web.count - 1])\r\n\n"
                    + "the CA:\n\(root.appending("ca.pem").text)")
            let facts = try CertificateFacts(pemFile: path)
            #expect(facts.dnsNames == ["b.example", "a.example"])
            #expect(facts.ipAddresses == ["192.0.2.1", "2001:db8::1"])
            #expect(facts.hosts == ["b.example", "192.0.2.1", "a.example", "2001:db8::1"])
            #expect(facts.isForServers && facts.isForClients && !facts.isAuthority)
            #expect(facts.isValid(forHost: "A.Example."))
            #expect(facts.isValid(forHost: "2001:DB8:0::1"))
            #expect(!facts.isValid(forHost: "web"))
        }
    }

    /// The common name counts for nothing, as for engines.
    @Test func aCertificateWithoutPurposeIsGoodForAllAndWithoutNamesForNoHost() async throws {
        try await withTemporaryDirectory { root in
            try await OpenSSL.makeAuthority(in: root)
            try await OpenSSL.makeLeaf("web", extensions: "basicConstraints=CA:FALSE", in: root)
            let facts = try CertificateFacts(pemFile: root.appending("web-cert.pem"))
            #expect(facts.isForServers && facts.isForClients)
            #expect(facts.hosts.isEmpty)
            #expect(!facts.isValid(forHost: "web"))
        }
    }

    @Test func controlCharactersOfANameDoNotReachTheTerminal() async throws {
        try await withTemporaryDirectory { root in
            try await OpenSSL.makeAuthority("/CN=a\u{1B}[2Jb", in: root)
            #expect(try CertificateFacts(pemFile: root.appending("ca.pem")).subject == "CN=a\u{FFFD}[2Jb")
        }
    }

    /// Commands that make a file `x`, and what is said of it.
    @Test(arguments: [
        ("x509 -in ca.pem -outform DER -out x", "openssl x509 -inform DER -in"),
        ("pkey -in ca-key.pem -outform DER -out x", "openssl x509 -inform DER -in"),
        ("pkcs12 -export -in ca.pem -inkey ca-key.pem -passout pass:x -out x", "openssl pkcs12 -in"),
        ("req -new -key ca-key.pem -subj /CN=x -out x", "certificate request"),
        ("x509 -in ca.pem -trustout -out x", "OpenSSL alone"), ("pkey -in ca-key.pem -out x", "swapped"),
        ("pkey -in ca-key.pem -pubout -out x", "'PUBLIC KEY'"), ("rand -out x 1000", "no certificate in PEM form"),
    ])
    func saysWhatIsNoCertificate(command: String, saying: String) async throws {
        try await withTemporaryDirectory { root in
            try await OpenSSL.makeAuthority(in: root)
            try await OpenSSL.get(command, in: root)
            let error = try #require(throws: CertificateFileError.self) {
                try CertificateFacts(pemFile: root.appending("x"))
            }
            #expect(error.description.contains(saying), "\(error)")
            #expect(error.description.contains("'\(root)/x'"))
        }
    }

    @Test(arguments: [
        ("pkey -in ca-key.pem -aes256 -passout pass:x -out x", "openssl pkey -in"),
        ("rsa -in ca-key.pem -traditional -aes128 -passout pass:x -out x", "openssl pkey -in"),
        ("x509 -in ca.pem -out x", "swapped"), ("pkey -in ca-key.pem -outform DER -out x", "openssl pkey -inform DER"),
        ("genrsa -out x 1024", "2048 bits"),
    ])
    func saysWhatIsNoUsablePrivateKey(command: String, saying: String) async throws {
        try await withTemporaryDirectory { root in
            try await OpenSSL.makeAuthority(in: root)
            try await OpenSSL.get(command, in: root)
            let error = try #require(throws: CertificateFileError.self) {
                try PrivateKeyFacts(pemFile: root.appending("x"))
            }
            #expect(error.description.contains(saying), "\(error)")
        }
    }

    /// The command that is recommended, run as a shell runs it, does what is promised.
    @Test func theRecommendedCommandMakesAKeyThatCanBeRead() async throws {
        try await withTemporaryDirectory { root in
            let folder = root.appending("it's here")
            try Directories.create(folder, mode: 0o700)
            try await OpenSSL.makeAuthority(in: folder)
            try await OpenSSL.get("pkey -in ca-key.pem -outform DER -out x.der", in: folder)
            let error = try #require(throws: CertificateFileError.self) {
                try PrivateKeyFacts(pemFile: folder.appending("x.der"))
            }
            let start = try #require(error.description.firstRange(of: "openssl "))
            let status = try await shell(String(error.description[start.lowerBound...]))
            #expect(status)
            let key = try PrivateKeyFacts(pemFile: folder.appending("x.plain.pem"))
            let facts = try CertificateFacts(pemFile: folder.appending("ca.pem"))
            #expect(key.fits(facts))
        }
    }

    @Test(arguments: [
        ("", "is empty"), ("hello", "no certificate in PEM form"),
        ("-----BEGIN CERTIFICATE-----\nMIIB", "has no END"),
        ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "damaged"),
        ("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "damaged"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END PRIVATE KEY-----\n", "damaged"),
        ("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "damaged"),
        (String(repeating: "x", count: 1_100_000), "over 1 MiB"),
    ])
    func refusesWhatIsDamaged(text: String, saying: String) async throws {
        try await withTemporaryDirectory { root in
            try root.appending("x").write(text)
            let error = try #require(throws: CertificateFileError.self) {
                try CertificateFacts(pemFile: root.appending("x"))
            }
            #expect(error.description.contains(saying), "\(error)")
            #expect(!error.description.contains(".swift"))
        }
    }

    @Test func readsNoDirectoryPipeOrMissingFile() async throws {
        try await withTemporaryDirectory { root in
            mkfifo(root.appending("pipe").string, 0o600)
            for (path, saying) in [
                (root, "is a directory"), (root.appending("pipe"), "no regular file"),
                (root.appending("none"), "No such file"), ("/dev/zero", "no regular file"),
            ] {
                let error = try #require(throws: CertificateFileError.self) { try CertificateFacts(pemFile: path) }
                #expect(error.description.contains(saying), "\(error)")
            }
        }
    }

    @Test(arguments: [
        (-2, "not valid for another 2 days"), (0, "10 days left"), (9.5, "12 hours left"),
        (10.125, "expired 3 hours ago"), (12, "expired 2 days ago"),
    ])
    func saysWhereNowLies(days: Double, text: String) {
        let start = Date(timeIntervalSince1970: 1_800_000_000)
        let validity = CertificateValidity(notBefore: start, notAfter: start + 10 * 86400, now: start + days * 86400)
        #expect(validity.description == text)
    }
}
