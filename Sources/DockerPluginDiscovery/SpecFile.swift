// SPDX-License-Identifier: Apache-2.0

import CLinux
import DockerPlugin
import Glibc

/// The file by which an engine finds a plugin: `NAME.spec` or `NAME.json` in `/etc/docker/plugins`.
///
/// A `.spec` is one line, an address; for TLS it takes a `.json`, which names the certificates as well. A file
/// that somebody else wrote is neither replaced nor removed. Who a file's author is stands in an extended
/// attribute, beside a copy of the content: a file edited since is not ours any more. Where the file system has no
/// attributes, a file is ours if it says just what we would write.
public struct SpecFile: Hashable, Sendable {
    /// The kinds of file, in the order in which engines look for them.
    public enum Form: String, CaseIterable, Sendable {
        /// An address and nothing else.
        case spec
        /// An address, and certificates for TLS.
        case json

        /// The form that an endpoint needs.
        public init(for endpoint: PluginEndpoint) {
            if case .tls = endpoint.address.transport { self = .json } else { self = .spec }
        }
    }

    private static let attribute = "user.mobyfs.spec"

    /// The plugin's name, which is the name that `docker volume create -d` takes.
    ///
    /// In front of a `/` is a folder, as engines look for it: it is made for the file, and removed after the last one.
    public let name: String
    /// The folder.
    public let directory: String

    /// Names a spec file; nothing is read or written.
    ///
    /// - Parameters:
    ///   - name: The plugin's name.
    ///   - directory: Where the engine looks.
    public init(name: String, directory: String = "/etc/docker/plugins") {
        self.name = name
        self.directory = directory
    }

    /// Where the file of a form is, or would be.
    public func path(_ form: Form) -> String {
        "\(directory)/\(name).\(form.rawValue)"
    }

    /// The addresses in the files that were written by this library, or by a program that uses it.
    public func addressOfOurs() throws -> String? {
        for form in Form.allCases {
            guard let content = try content(form), isOurs(content, form) else { continue }
            switch form {
            case .spec:
                return content.split(separator: UInt8(ascii: "\n")).first.map { String(decoding: $0, as: UTF8.self) }
            case .json: return try? JSONValue(parsing: content)["Addr"]?.string  // ours, so it parses
            }
        }
        return nil
    }

    /// Writes the file, whole or not at all, and removes one of the other form that is ours.
    ///
    /// - Parameters:
    ///   - endpoint: Where the plugin listens: the form follows from it.
    ///   - replacingOthers: Whether files that somebody else wrote are replaced.
    /// - Returns: The form that was written.
    /// - Throws: ``SpecFileError`` if a file is there that is somebody else's, or the kernel refuses.
    @discardableResult
    public func write(_ endpoint: PluginEndpoint, replacingOthers: Bool = false) throws -> Form {
        do throws(PluginDiscoveryError) {
            try PluginDiscovery.requireName(name)
        } catch {
            throw SpecFileError("\(error)")
        }
        let form = Form(for: endpoint)
        let new = Self.render(endpoint, name: name)
        // A .json is read only where there is no .spec; a .spec in the way would be taken instead.
        for form in Form.allCases.prefix(through: Form.allCases.firstIndex(of: form) ?? 0) where !replacingOthers {
            guard let old = try content(form), old != new, !isOurs(old, form) else { continue }
            throw SpecFileError(
                "'\(path(form))' was not written by mobyfs and says '\(Self.excerpt(of: old))': remove it if this "
                    + "plugin is to go by the name '\(name)', or replace it with --force")
        }
        if try content(form) != new { try replace(form, with: new) }
        for other in Form.allCases where other != form {
            guard let old = try content(other), replacingOthers || isOurs(old, other) else { continue }
            try unlinkFile(path(other))
        }
        return form
    }

    /// Removes the files that are ours; one that is gone already is no error.
    ///
    /// - Parameters:
    ///   - endpoint: Remove only what says this, whoever wrote it: for a server that speaks for no other address.
    ///   - includingOthers: Whether files that somebody else wrote are removed, too.
    /// - Returns: What was removed.
    /// - Throws: ``SpecFileError`` if the kernel refuses.
    @discardableResult
    public func remove(saying endpoint: PluginEndpoint? = nil, includingOthers: Bool = false) throws -> [String] {
        try Form.allCases.compactMap { form in
            guard let content = try content(form) else { return nil }
            let isMeant =
                endpoint.map { content == Self.render($0, name: name) } ?? (includingOthers || isOurs(content, form))
            guard isMeant else { return nil }
            try unlinkFile(path(form))
            return path(form)
        }
    }

    /// Whether a file of this form is there and was written by this library.
    public func isOurs(_ form: Form) throws -> Bool {
        try content(form).map { isOurs($0, form) } ?? false
    }
}

// MARK: - Content

extension SpecFile {
    /// The content of the file that tells of an endpoint.
    static func render(_ endpoint: PluginEndpoint, name: String) -> [UInt8] {
        guard Form(for: endpoint) == .json else { return Array("\(endpoint.address.text)\n".utf8) }
        var lines = [("Name", JSONValue.string(name)), ("Addr", .string(endpoint.address.text))]
        if let tls = endpoint.tls {
            // An engine that reads `"CAFile": ""` trusts anybody, as it does without the key.
            var members: [String: JSONValue] = ["InsecureSkipVerify": .bool(tls.insecureSkipVerify)]
            for (key, file) in [("CAFile", tls.caFile), ("CertFile", tls.certFile), ("KeyFile", tls.keyFile)]
            where !file.isEmpty {
                members[key] = .string(file)
            }
            lines.append(("TLSConfig", .object(members)))
        }
        let text = lines.map { "  \"\($0.0)\": \(String(decoding: $0.1.encoded, as: UTF8.self))" }
        return Array("{\n\(text.joined(separator: ",\n"))\n}\n".utf8)
    }

    private static func excerpt(of content: [UInt8]) -> String {
        let text = String(decoding: content.prefix(100), as: UTF8.self)
        return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.isVisible ? $0 : " " }))
    }

    private func isOurs(_ content: [UInt8], _ form: Form) -> Bool {
        var copy = [UInt8](repeating: 0, count: 4096)
        let count = getxattr(path(form), Self.attribute, &copy, copy.count)
        return count >= 0 && copy[..<count].elementsEqual(content)
    }

    private func content(_ form: Form) throws -> [UInt8]? {
        let path = path(form)
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            // Ours are plain files.
            if errno == ELOOP { return Array("(a symbolic link)".utf8) }
            throw SpecFileError("open '\(path)'", errno)
        }
        defer { close(file) }
        var content = [UInt8](repeating: 0, count: 4096)
        let count = read(file, &content, content.count)
        guard count >= 0 else { throw SpecFileError("read '\(path)'", errno) }
        return Array(content[..<count])
    }
}

// MARK: - Files

extension SpecFile {
    private func replace(_ form: Form, with content: [UInt8]) throws {
        // Engines before 18.03 take every file in that directory for a plugin, even a temporary one.
        let parent = String(directory[..<(directory.lastIndex(of: "/") ?? directory.startIndex)])
        do {
            try replace(form, with: content, writtenIn: parent)
        } catch let error as SpecFileError where [EXDEV, EACCES, EPERM, EROFS].contains(error.code) {
            // It is a file system of its own, or what is around it is nothing for us to write in.
            try replace(form, with: content, writtenIn: directory)
        }
    }

    private func replace(_ form: Form, with content: [UInt8], writtenIn folder: String) throws {
        try makeDirectory(directory)
        let flat = String(name.map { $0 == "/" ? "+" : $0 })
        let temporary = "\(folder)/.\(flat).\(form.rawValue).\(UInt32.random(in: 0 ... .max))"
        try create(temporary, content: content)
        do {
            try move(temporary, to: path(form))
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// Moves a file into its folder, which is made where the name has one.
    private func move(_ temporary: String, to path: String) throws {
        let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        // Whoever removes the last file in the folder removes the folder, maybe right now.
        for _ in 0..<16 {
            try makeDirectory(folder)
            if rename(temporary, path) == 0 { return }
            let reason = errno
            guard reason == ENOENT else { throw SpecFileError("rename '\(temporary)' to '\(path)'", reason) }
        }
        throw SpecFileError("rename '\(temporary)' to '\(path)'", ENOENT)
    }

    private func create(_ path: String, content: [UInt8]) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw SpecFileError("create '\(path)'", errno) }
        defer { close(file) }
        guard Glibc.write(file, content, content.count) == content.count, fchmod(file, 0o644) == 0 else {
            let reason = errno
            unlink(path)
            throw SpecFileError("write '\(path)'", reason)
        }
        // A file system without attributes is no obstacle: see above.
        _ = fsetxattr(file, Self.attribute, content, content.count, 0)
        fsync(file)
    }

    private func makeDirectory(_ path: String) throws {
        var status = stat()
        if stat(path, &status) == 0 { return }
        if let slash = path.lastIndex(of: "/"), slash != path.startIndex { try makeDirectory(String(path[..<slash])) }
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw SpecFileError("mkdir '\(path)'", errno) }
        chmod(path, 0o755)
    }

    /// Removes a file, and the folders that the name has once nothing is in them any more.
    private func unlinkFile(_ path: String) throws {
        guard unlink(path) == 0 || errno == ENOENT else { throw SpecFileError("unlink '\(path)'", errno) }
        var folder = path[...]
        for _ in name.split(separator: "/").dropFirst() {
            folder = folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)]
            guard rmdir(String(folder)) == 0 else { return }
        }
    }
}

extension Unicode.Scalar {
    /// Neither a control character nor one that turns the text around it.
    fileprivate var isVisible: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}

/// Why a spec file could not be written, read or removed.
public struct SpecFileError: Error, CustomStringConvertible {
    /// What is wrong and what to do.
    public let description: String
    /// The error number, if the kernel refused.
    fileprivate let code: CInt?

    init(_ description: String) {
        self.description = description
        code = nil
    }

    init(_ call: String, _ code: CInt) {
        description = "\(call): \(String(cString: strerror(code)))"
        self.code = code
    }
}
