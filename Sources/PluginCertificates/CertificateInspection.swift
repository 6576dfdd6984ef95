// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import MobyFSHost
package import SystemPackage
import X509

/// What certificates and keys are, and whether they fit together for mutual TLS.
package struct CertificateInspection: Sendable {
    /// What a file is for.
    package enum Role: String, Sendable {
        case authority
        case server
        case client
        /// A certificate that may be shown by either side.
        case either
    }

    /// A file that could be read.
    package struct Item: Sendable {
        package let path: FilePath
        /// What it is for; nil for a key whose certificate is not known.
        package internal(set) var role: Role?
        /// What it says, if it is a certificate.
        package internal(set) var certificate: CertificateFacts?
        /// What it is, if it is a key.
        package internal(set) var key: PrivateKeyFacts?
        /// The permission bits of the file.
        package internal(set) var mode: UInt32
        /// The file with the key of this certificate, or with the certificate of this key.
        package internal(set) var counterpart: FilePath?
        /// The file with the CA that signed this certificate.
        package internal(set) var signer: FilePath?
    }

    package internal(set) var items: [Item] = []
    package internal(set) var findings: [CertificateFinding] = []
    let now: Date

    /// Whether nothing is wrong.
    package var isSound: Bool { !findings.contains { $0.severity == .error } }

    /// Whether there is all that one side needs at least, and each certificate is signed by a CA that is there, too.
    package var fitsTogether: Bool {
        let leafs = items.filter { $0.certificate != nil && $0.role != .authority }
        return isSound && !leafs.isEmpty && leafs.allSatisfy { $0.signer != nil && $0.counterpart != nil }
    }

    /// Inspects what is in the directory of a set.
    ///
    /// - Parameters:
    ///   - set: The set.
    ///   - now: When.
    /// - Throws: ``CertificateSetError`` if it has none of the files of a set, `SystemCallError` if it cannot be read.
    package init(of set: CertificateSet, now: Date = Date()) throws {
        self.now = now
        let names: Set<String>
        do {
            names = Set(try Directories.entries(of: set.directory))
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
            throw CertificateSetError.none(in: set.directory)
        }
        let files = CertificateSet.File.allCases.filter { names.contains($0.rawValue) }
        guard !files.isEmpty else { throw CertificateSetError.none(in: set.directory) }
        checkPermissions(ofDirectory: set.directory)
        for file in files { read(set.path(of: file), as: file.role, isKey: file.isKey) }
        checkCompleteness(of: set, files)
        checkAll(keysMustFit: true)
    }

    /// Inspects files of any name; what they are for is told by what they say.
    ///
    /// - Parameters:
    ///   - files: The files.
    ///   - now: When.
    package init(files: [FilePath], now: Date = Date()) {
        self.now = now
        for path in files { read(path, as: nil, isKey: nil) }
        checkAll(keysMustFit: items.contains { $0.certificate != nil })
    }

    /// Inspects one directory or any files.
    ///
    /// - Parameter paths: What is to be looked at.
    /// - Throws: As ``init(of:now:)`` does.
    package init(paths: [FilePath]) throws {
        if let only = paths.first, paths.count == 1, Directories.isDirectory(only) == true {
            try self.init(of: CertificateSet(only))
        } else {
            self.init(files: paths)
        }
    }

    private mutating func read(_ path: FilePath, as role: Role?, isKey: Bool?) {
        do {
            let file = try PEMFile(path)
            var item = Item(path: path, role: role, mode: file.mode)
            let hasKeyOnly =
                file.blocks.contains(where: \.isPrivateKey) && !file.blocks.contains(where: \.isCertificate)
            if isKey ?? hasKeyOnly {
                // Who may read it matters even if it is of no use.
                checkPermissions(ofKey: path, mode: file.mode)
                item.key = try PrivateKeyFacts(file)
            } else {
                if file.mode & 0o002 != 0 { addFinding(.error, path, "can be replaced by everybody: chmod 644") }
                let facts = try CertificateFacts(file)
                item.certificate = facts
                item.role = role ?? facts.role
                if file.blocks.contains(where: \.isPrivateKey) { checkPermissions(ofKey: path, mode: file.mode) }
            }
            items.append(item)
        } catch {
            findings.append(CertificateFinding(error))
        }
    }

    private mutating func checkAll(keysMustFit: Bool) {
        matchKeys(mustFit: keysMustFit)
        for index in items.indices {
            guard let certificate = items[index].certificate, let role = items[index].role else { continue }
            checkTime(of: certificate)
            checkPurpose(of: certificate, as: role)
            if role != .authority { items[index].signer = checkSigner(of: certificate) }
        }
        findings.sort { ($1.severity, $0.path.string) < ($0.severity, $1.path.string) }
    }

    mutating func addFinding(_ severity: CertificateFinding.Severity, _ path: FilePath, _ text: String) {
        findings.append(CertificateFinding(severity, path, "'\(path)' \(text)"))
    }
}

extension CertificateSet.File {
    var role: CertificateInspection.Role {
        switch self {
        case .authority, .authorityKey: .authority
        case .server, .serverKey: .server
        case .client, .clientKey: .client
        }
    }
}

extension CertificateFacts {
    var role: CertificateInspection.Role {
        if isAuthority { return .authority }
        if isForServers != isForClients { return isForServers ? .server : .client }
        return .either
    }
}
