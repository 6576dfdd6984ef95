// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import SystemPackage

/// A file as it is: its PEM blocks, who may read it, and if there are none, what it is instead.
struct PEMFile {
    /// What stands between a BEGIN and an END line.
    struct Block {
        /// The words after BEGIN, such as `CERTIFICATE`.
        let label: String
        /// Whether the old way of encrypting a key was used, which is announced in a header of the block.
        let hasEncryptionHeader: Bool
        let der: [UInt8]

        var isCertificate: Bool { label == "CERTIFICATE" || label == "X509 CERTIFICATE" }
        var isPrivateKey: Bool { label.hasSuffix("PRIVATE KEY") }
    }

    let path: FilePath
    let bytes: [UInt8]
    let blocks: [Block]
    /// Permission bits and owner of the file that was read, not of a symbolic link to it.
    let mode: mode_t
    let owner: uid_t

    /// No certificate is that large; a device or a pipe may be without end.
    private static let sizeLimit = 1 << 20

    /// Reads a file.
    ///
    /// Symbolic links are followed: certificates that something else renews are usually linked to.
    init(_ path: FilePath) throws(CertificateFileError) {
        self.path = path
        do {
            let file = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .nonBlocking])
            defer { close(file.rawValue) }
            var status = stat()
            guard fstat(file.rawValue, &status) == 0 else { throw Errno(rawValue: errno) }
            guard status.st_mode & S_IFMT == S_IFREG else {
                let isDirectory = status.st_mode & S_IFMT == S_IFDIR
                throw CertificateFileError(path, "'\(path)' is \(isDirectory ? "a directory" : "no regular file")")
            }
            mode = status.st_mode & 0o7777
            owner = status.st_uid
            bytes = try Self.read(file)
        } catch let error as CertificateFileError {
            throw error
        } catch {
            throw CertificateFileError(path, "read '\(path)': \(error)")
        }
        guard bytes.count <= Self.sizeLimit else {
            throw CertificateFileError(path, "'\(path)' is over 1 MiB large: it is no PEM file")
        }
        guard !bytes.isEmpty else { throw CertificateFileError(path, "'\(path)' is empty") }
        blocks = try Self.blocks(in: bytes, of: path)
    }

    private static func read(_ file: FileDescriptor) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while bytes.count <= sizeLimit {
            let count = try chunk.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        return bytes
    }

    /// Finds the blocks as OpenSSL and Go do, which care neither for the length of lines nor for text around them.
    private static func blocks(in bytes: [UInt8], of path: FilePath) throws(CertificateFileError) -> [Block] {
        var blocks: [Block] = []
        var label: String?
        var headers: [Substring] = []
        var body = ""
        for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) {
            let line = line.trimming(while: \.isWhitespace)
            guard let open = label else {
                label = line.pemLabel("BEGIN")
                (headers, body) = ([], "")
                continue
            }
            if let closed = line.pemLabel("END") {
                guard closed == open, let der = Data(base64Encoded: body), !der.isEmpty else {
                    throw CertificateFileError(path, "'\(path)' is damaged: what follows BEGIN \(open) is no PEM")
                }
                let isEncrypted = headers.contains { $0.hasPrefix("Proc-Type:") && $0.hasSuffix("ENCRYPTED") }
                blocks.append(Block(label: open, hasEncryptionHeader: isEncrypted, der: Array(der)))
                label = nil
            } else if line.contains(":") {
                headers.append(line)
            } else {
                body += line
            }
        }
        if let label { throw CertificateFileError(path, "'\(path)' is cut short: BEGIN \(label) has no END") }
        return blocks
    }
}

extension Substring {
    fileprivate func trimming(while isDropped: (Character) -> Bool) -> Substring {
        var rest = drop(while: isDropped)
        while let last = rest.last, isDropped(last) { rest.removeLast() }
        return rest
    }

    /// `CERTIFICATE` of `-----BEGIN CERTIFICATE-----`.
    fileprivate func pemLabel(_ word: String) -> String? {
        guard hasPrefix("-----\(word) "), hasSuffix("-----"), count > word.count + 11 else { return nil }
        return String(dropFirst(word.count + 6).dropLast(5))
    }
}
