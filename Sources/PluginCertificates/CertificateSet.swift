// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import MobyFSHost
package import SystemPackage
import X509

/// The directory with all that mobyfs and engines need to know each other by: a CA, and a certificate with its key
/// for either side.
package struct CertificateSet: Sendable {
    /// A file of the set.
    package enum File: String, CaseIterable, Sendable {
        case authority = "ca.pem"
        case authorityKey = "ca-key.pem"
        case server = "server-cert.pem"
        case serverKey = "server-key.pem"
        case client = "client-cert.pem"
        case clientKey = "client-key.pem"

        package var isKey: Bool { self == .authorityKey || self == .serverKey || self == .clientKey }
    }

    /// For how long certificates are made, in days.
    package struct Lifetimes: Sendable {
        package var leaf: Int
        package var authority: Int

        package static let standard = Lifetimes(leaf: 825, authority: 3650)
        /// From a day to a century.
        package static let range = 1...36500

        package init(leaf: Int, authority: Int) {
            self.leaf = leaf
            self.authority = authority
        }
    }

    /// What was made.
    package struct Result: Sendable {
        /// What the server certificate is valid for.
        package let hosts: [CertifiedHost]
        package let authority: CertificateFacts
        package let server: CertificateFacts
        package let client: CertificateFacts
        /// Until when the client certificate that was there before is valid.
        package internal(set) var previousClientEnd: Date?
        /// The files that are new.
        package let written: [File]
    }

    package static let defaultDirectory = FilePath("/etc/mobyfs/tls")

    /// Where the set is, all symbolic links followed.
    package let directory: FilePath

    /// Names a set; nothing is read or written.
    package init(_ directory: FilePath) {
        self.directory = Directories.resolve(directory)
    }

    package func path(of file: File) -> FilePath { directory.appending(file.rawValue) }

    /// The files of the set that are there.
    package var existing: [File] { File.allCases.filter { Files.exists(path(of: $0)) } }

    /// Makes a CA and both pairs.
    ///
    /// - Parameters:
    ///   - hosts: What engines connect to. Names and addresses of the loopback interface are added.
    ///   - lifetimes: For how long.
    ///   - replacesExisting: Whether a set that is there may go.
    ///   - now: When.
    /// - Returns: What was made.
    /// - Throws: ``CertificateSetError`` if a set is there already, `SystemCallError` if the kernel refuses. What was
    ///   there is whole.
    @discardableResult
    package func create(
        hosts: [CertifiedHost], lifetimes: Lifetimes = .standard, replacesExisting: Bool = false, now: Date = Date()
    ) throws -> Result {
        let existing = existing
        guard replacesExisting || existing.isEmpty else { throw CertificateSetError.exists(existing, in: directory) }
        let hosts = hosts.withLoopback
        guard let first = hosts.first else { throw CertificateSetError.noHost }
        let authority = try CertificateAuthority(host: first, days: lifetimes.authority, now: now)
        let (serverKey, clientKey) = (Certificate.PrivateKey.made, Certificate.PrivateKey.made)
        let server = try authority.issueServer(
            hosts: hosts, key: serverKey.publicKey, days: lifetimes.leaf, now: now)
        let client = try authority.issueClient(
            of: first, key: clientKey.publicKey, days: lifetimes.leaf, now: now)
        try install([
            .authorityKey: authority.key.pemText, .authority: authority.certificate.pemText,
            .serverKey: serverKey.pemText, .server: server.pemText,
            .clientKey: clientKey.pemText, .client: client.pemText,
        ])
        return result(hosts, authority.certificate, server, client, written: File.allCases)
    }

    /// Makes new certificates for both sides, signed by the CA that is there.
    ///
    /// The keys stay, so that each certificate fits its key at every moment, whoever looks and whenever this ends;
    /// only one that is missing is made. So the CA may also be one that was made elsewhere.
    ///
    /// - Parameters:
    ///   - hosts: What engines connect to; nil for the names of the certificate that is there.
    ///   - days: For how long, unless the CA ends before that.
    ///   - now: When.
    /// - Returns: What was made.
    /// - Throws: ``CertificateSetError`` or ``CertificateFileError`` if the set is not fit for it, `SystemCallError` if
    ///   the kernel refuses.
    @discardableResult
    package func renew(hosts: [CertifiedHost]?, days: Int = Lifetimes.standard.leaf, now: Date = Date()) throws
        -> Result
    {
        let authority = try existingAuthority(now: now)
        let hosts = try hosts?.withLoopback ?? existingHosts()
        let (oldServerKey, oldClientKey) = (try existingKey(.serverKey), try existingKey(.clientKey))
        let (serverKey, clientKey) = (oldServerKey ?? .made, oldClientKey ?? .made)
        let server = try authority.issueServer(hosts: hosts, key: serverKey.publicKey, days: days, now: now)
        let client = try authority.issueClient(of: hosts.first, key: clientKey.publicKey, days: days, now: now)
        var contents: [File: String] = [.server: try server.pemText, .client: try client.pemText]
        if oldServerKey == nil { contents[.serverKey] = try serverKey.pemText }
        if oldClientKey == nil { contents[.clientKey] = try clientKey.pemText }
        // One that cannot be read tells no time.
        let previousClient = try? CertificateFacts(pemFile: path(of: .client))
        try replace(contents)
        var result = result(
            hosts, authority.certificate, server, client, written: File.allCases.filter { contents[$0] != nil })
        result.previousClientEnd = previousClient?.notAfter
        return result
    }

    private func result(
        _ hosts: [CertifiedHost], _ authority: Certificate, _ server: Certificate, _ client: Certificate,
        written: [File]
    ) -> Result {
        Result(
            hosts: hosts, authority: CertificateFacts(path: path(of: .authority), certificate: authority),
            server: CertificateFacts(path: path(of: .server), certificate: server),
            client: CertificateFacts(path: path(of: .client), certificate: client), written: written)
    }
}

extension [CertifiedHost] {
    /// Without repetitions, and with what an engine on the same host connects to.
    fileprivate var withLoopback: [CertifiedHost] {
        var hosts: [CertifiedHost] = []
        for host in self + CertifiedHost.loopback where !hosts.contains(host) { hosts.append(host) }
        return isEmpty ? [] : hosts
    }
}
