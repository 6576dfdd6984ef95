// SPDX-License-Identifier: Apache-2.0

import DockerPluginClient
import DockerPluginDiscovery
import FoundationEssentials
import Glibc
import MobyFSTesting
import PluginCertificates
import SystemPackage
import Testing

/// The built daemon over TLS: who is let in, and certificates that change under way.
@Suite struct TLSTests {
    /// A daemon that serves TLS with a set of certificates.
    private struct Served: Sendable {
        let daemon: RunningDaemon
        let certificates: CertificateSet
        let port: Int

        /// A client that shows what is in a set of certificates, and believes the daemon's authority.
        func client(
            showing shown: CertificateSet?, _ certificate: CertificateSet.File = .client,
            _ key: CertificateSet.File = .clientKey, believing authority: CertificateSet? = nil
        ) throws -> PluginClient {
            let tls = SpecTLS(
                caFile: (authority ?? certificates).path(of: .authority).string,
                certFile: shown?.path(of: certificate).string ?? "", keyFile: shown?.path(of: key).string ?? "")
            var configuration = PluginClient.Configuration()
            configuration.retries = .none
            return PluginClient(
                PluginEndpoint(try PluginAddress("https://localhost:\(port)"), tls: tls), configuration: configuration)
        }
    }

    private static func arguments(_ certificates: CertificateSet) -> [String] {
        [
            "--listen", "tcp://127.0.0.1:0", "--tls-cert", certificates.path(of: .server).string, "--tls-key",
            certificates.path(of: .serverKey).string, "--tls-ca", certificates.path(of: .authority).string,
            "--tls-client-cert", certificates.path(of: .client).string, "--tls-client-key",
            certificates.path(of: .clientKey).string,
        ]
    }

    private static func makeCertificates(in directory: FilePath) throws -> CertificateSet {
        let certificates = CertificateSet(directory)
        _ = try certificates.create(hosts: [CertifiedHost("localhost")])
        return certificates
    }

    private func withTLSDaemon(_ body: @escaping @Sendable (Served, FilePath) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            let certificates = try Self.makeCertificates(in: root.appending("tls"))
            try await withDaemon(in: root, arguments: Self.arguments(certificates)) { daemon in
                let spec = try daemon.specDirectory.appending("mobyfs.json").text
                let digits = spec.firstRange(of: "https://127.0.0.1:").map {
                    spec[$0.upperBound...].prefix { $0.isNumber }
                }
                let port = try #require(digits.flatMap { Int($0) }, "\(spec)")
                try await body(Served(daemon: daemon, certificates: certificates, port: port), root)
            }
            #expect(!root.appending("docker/plugins/mobyfs.json").exists)
        }
    }

    @Test func servesAClientWithACertificateOfTheAuthority() async throws {
        try await withTLSDaemon { served, _ in
            let implements = try await served.client(showing: served.certificates).activate()
            #expect(implements == ["VolumeDriver"])
        }
    }

    @Test func turnsAwayWhoeverShowsNoneOrAnother() async throws {
        try await withTLSDaemon { served, root in
            let foreign = try Self.makeCertificates(in: root.appending("foreign"))
            // Signed by the right authority, long ago.
            let expired = CertificateSet(root.appending("expired"))
            try FileManager.default.copyItem(
                atPath: served.certificates.directory.string, toPath: expired.directory.string)
            _ = try expired.renew(hosts: nil, days: 1, now: Date(timeIntervalSinceNow: -10 * 86400))

            for client in [
                try served.client(showing: nil), try served.client(showing: foreign),
                try served.client(showing: expired),
                try served.client(showing: served.certificates, .server, .serverKey),
            ] {
                let error = await #expect(throws: PluginClientError.self) { try await client.activate() }
                #expect(error?.code == .untrusted, "\(error?.description ?? "")")
            }
            let log = try served.daemon.output
            #expect(log.contains("it shows no certificate"))
            #expect(log.split(separator: "TLS client turned away").count >= 4)
        }
    }

    @Test func tellsAClientThatSpeaksPlainHTTPFromOthers() async throws {
        try await withTLSDaemon { served, _ in
            let wire = try Wire(port: UInt16(served.port))
            try wire.send(Wire.post("/Plugin.Activate", ""))
            let answer = try await wire.receiveAll()
            #expect(!answer.contains("Implements"))
            try await served.daemon.wait("a word about it") {
                try served.daemon.output.contains("it speaks plain HTTP")
            }
        }
    }

    @Test func whoeverCallsItOtherwiseIsToldWhatIsMissing() async throws {
        try await withTLSDaemon { served, _ in
            let (method, authority) = ("Plugin.Activate", served.certificates.path(of: .authority).string)
            for (arguments, hint) in [
                (["tcp://127.0.0.1:\(served.port)", method], "Or does it speak TLS? Then it is called at https://"),
                (["https://localhost:\(served.port)", method], "--tls-ca names the authority"),
                (
                    ["https://localhost:\(served.port)", method, "--tls-ca", authority],
                    "--tls-cert and --tls-key your certificate"
                ),
            ] {
                let result = try await runToEnd(["plugin", "call", "--no-retry"] + arguments)
                #expect(result.status == 2)
                #expect(result.output.contains(hint), "\(result.output)")
            }
        }
    }

    @Test func takesNewCertificatesWithoutDroppingAConnection() async throws {
        try await withTLSDaemon { served, root in
            let open = try await PluginTransport(served.client(showing: served.certificates).endpoint).connect()
            defer { open.close() }
            // All of it new, the authority too.
            let old = CertificateSet(root.appending("old"))
            try FileManager.default.copyItem(atPath: served.certificates.directory.string, toPath: old.directory.string)
            _ = try served.certificates.create(hosts: [CertifiedHost("localhost")], replacesExisting: true)
            served.daemon.send(SIGHUP)
            try await served.daemon.wait("new certificates") {
                try served.daemon.output.contains("certificates replaced")
            }
            open.send(HTTPRequest(call: "VolumeDriver.List", body: [], to: open.address))
            let reply = try await open.receive()
            #expect(reply.status == 200)

            let renewed = try await served.client(showing: served.certificates).activate()
            #expect(renewed == ["VolumeDriver"])
            let outdated = try served.client(showing: old, believing: old)
            await #expect(throws: PluginClientError.self) { try await outdated.activate() }
        }
    }

    @Test func keepsItsCertificateWhenTheNewOneIsOfNoUse() async throws {
        try await withTLSDaemon { served, root in
            let certificate = served.certificates.path(of: .server)
            try certificate.write("-----BEGIN CERTIFICATE-----\n")
            // Nobody has to tell it.
            try await served.daemon.wait("a complaint") {
                try served.daemon.output.contains("'\(certificate)' has no certificate in it")
            }
            let implements = try await served.client(showing: served.certificates).activate()
            #expect(implements == ["VolumeDriver"])
        }
    }

    @Test func refusesToStartWithCertificatesThatMakeNoSense() async throws {
        try await withTemporaryDirectory { root in
            let certificates = try Self.makeCertificates(in: root.appending("tls"))
            let other = try Self.makeCertificates(in: root.appending("other"))
            let good = Self.arguments(certificates)
            func swapping(_ file: CertificateSet.File, _ path: FilePath) -> [String] {
                good.map { $0 == certificates.path(of: file).string ? path.string : $0 }
            }
            let key = certificates.path(of: .serverKey)
            for (arguments, complaint) in [
                (swapping(.server, root.appending("none")), "none' cannot be read: No such file"),
                (swapping(.server, key), "has a key in it where a certificate is wanted"),
                (swapping(.serverKey, certificates.path(of: .server)), "has no private key in it"),
                (swapping(.serverKey, other.path(of: .serverKey)), "is not the one of the certificate in"),
                (Array(good.prefix(4)), "MOBYFS_TLS_KEY is not set"),
                (Array(good.dropLast(2)), "MOBYFS_TLS_CLIENT_KEY is not set"),
            ] {
                let refused = try await runToEnd(RunningDaemon.arguments(in: root) + arguments)
                #expect(refused.status == 2)
                #expect(refused.output.contains(complaint), "\(refused.output)")
            }
        }
    }
}
