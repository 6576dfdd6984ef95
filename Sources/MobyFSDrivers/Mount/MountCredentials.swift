// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MobyFSHost
import MobyFSVolumes
import SystemPackage

/// Who one is to a server, and with what password.
struct MountCredentials: Hashable, Sendable {
    var username: String?
    var password: Secret?
    var domain: String?

    /// Where a file may be nothing but a password.
    static let folder: FilePath = "/etc/mobyfs/credentials"

    /// Whether the file had lines with keys.
    private var isList = false

    /// Reads a file as mount.cifs(8) has it, with `username=`, `password=` and `domain=`; one that has none of these is the
    /// password itself.
    init(parsing text: String) {
        for line in text.split(whereSeparator: \.isNewline) {
            // As mount.cifs does, by bytes: what a password begins with may combine with the character before it.
            guard let equals = line.utf8.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let value = String(line[line.utf8.index(after: equals)...])
            switch line[..<equals].filter({ !$0.isWhitespace }).lowercased() {
            case "username", "user": username = value
            case "password", "pass": password = Secret(value)
            case "domain", "dom", "workgroup": domain = value
            default: continue
            }
            isList = true
        }
        guard !isList else { return }
        var text = text
        while text.last?.isNewline == true { text.removeLast() }
        password = text.isEmpty ? nil : Secret(text)
    }

    init(username: String? = nil, password: Secret? = nil, domain: String? = nil) {
        self.username = username
        self.password = password
        self.domain = domain
    }

    /// Where systemd keeps the credentials of the daemon; nil if it gave none.
    static let systemdFolder: FilePath? = ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"].map {
        FilePath($0)
    }

    /// Whether a value of `credentials=` can name something: an absolute path, or a credential of systemd.
    static func isName(_ text: String) -> Bool {
        guard !text.contains("/") else {
            let path = FilePath(text)
            return path.isAbsolute && !path.components.contains { $0.kind == .parentDirectory }
        }
        return !text.isEmpty && text != "." && text != ".."
    }

    /// Reads what `credentials=` names.
    ///
    /// Blocks.
    ///
    /// - Parameters:
    ///   - name: A path, or the name of a credential of systemd.
    ///   - folder: Where systemd keeps these.
    /// - Throws: ``VolumeError``.
    init(named name: String, in folder: FilePath?) throws {
        let path: FilePath
        if name.contains("/") {
            path = FilePath(name)
        } else if let folder {
            path = folder.appending(name)
        } else {
            throw VolumeError(
                .unavailable,
                "credentials='\(name)' is a credential of systemd, and the daemon was given none: add "
                    + "LoadCredentialEncrypted=\(name) to mobyfs.service, or name a file by its absolute path")
        }
        let text: String
        do {
            // Opening something else may do things, or wait for somebody.
            guard try Files.isRegular(path) else { throw SystemCallError("'\(path)' is no file", .invalidArgument) }
            text = String(decoding: try DurableFile.read(path, limit: 65536), as: UTF8.self)
        } catch {
            throw VolumeError(.unavailable, "credentials='\(name)' cannot be read", cause: error)
        }
        self.init(parsing: text)
        // Of any other file the first line would be sent to a server that whoever creates volumes has chosen.
        guard isList || !name.contains("/") || path.starts(with: Self.folder) else {
            throw VolumeError(
                .unavailable,
                "credentials='\(name)' has no line 'password=…': add one, or put a file with nothing but a password into "
                    + "'\(Self.folder)'")
        }
        guard password != nil else {
            throw VolumeError(.unavailable, "credentials='\(name)' has no password in it, such as 'password=…'")
        }
    }
}
