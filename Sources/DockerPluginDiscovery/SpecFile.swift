// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// The `.spec` file by which an engine finds a plugin: `/etc/docker/plugins/NAME.spec`, one line, an address.
///
/// A file that somebody else wrote is neither replaced nor removed. What a spec file's author is stands in an
/// extended attribute, beside a copy of the content: a file edited since is not ours any more. Where the file
/// system has no attributes, a file is ours if it says just what we would write.
public struct SpecFile: Sendable {
    private static let attribute = "user.mobyfs.spec"

    /// The file.
    public let path: String

    /// Names a spec file; nothing is read or written.
    ///
    /// - Parameters:
    ///   - name: The plugin's name, which is the name that `docker volume create -d` takes.
    ///   - directory: Where the engine looks.
    public init(name: String, directory: String = "/etc/docker/plugins") {
        path = "\(directory)/\(name).spec"
    }

    /// The address in the file, or nil if there is no file.
    public func address() throws -> String? {
        guard let content = try content() else { return nil }
        return String(decoding: content.split(separator: UInt8(ascii: "\n")).first ?? [], as: UTF8.self)
    }

    /// Writes the file, whole or not at all.
    ///
    /// - Parameter address: Where the plugin listens, such as `unix:///run/mobyfs/mobyfs.sock`.
    /// - Throws: ``SpecFileError`` if a file is there that is somebody else's, or the kernel refuses.
    public func write(address: String) throws {
        let new = Array("\(address)\n".utf8)
        if let old = try content() {
            if old == new { return }
            guard isOurs(old) else {
                throw SpecFileError(
                    "'\(path)' says '\(try self.address() ?? "")' and was not written by mobyfs: "
                        + "remove it if this plugin is to go by that name")
            }
        }
        let directory = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        try makeDirectory(directory)
        // Engines before 18.03 take every file in that directory for a plugin, even a temporary one.
        let parent = String(directory[..<(directory.lastIndex(of: "/") ?? directory.startIndex)])
        let name = path[path.index(after: path.lastIndex(of: "/") ?? path.startIndex)...]
        let temporary = "\(parent)/.\(name).new"
        try create(temporary, content: new)
        guard rename(temporary, path) == 0 else {
            let reason = errno
            unlink(temporary)
            throw SpecFileError("rename '\(temporary)' to '\(path)'", reason)
        }
    }

    /// Removes the file if it is ours; a file that is gone already is no error.
    ///
    /// - Parameter address: Remove it only if it says this, for a server that speaks for no other address.
    /// - Returns: Whether it was removed.
    /// - Throws: ``SpecFileError`` if the kernel refuses.
    @discardableResult
    public func remove(address: String? = nil) throws -> Bool {
        guard let content = try content() else { return false }
        if let address, content != Array("\(address)\n".utf8) { return false }
        guard isOurs(content) || address != nil else { return false }
        guard unlink(path) == 0 || errno == ENOENT else { throw SpecFileError("unlink '\(path)'", errno) }
        return true
    }

    private func isOurs(_ content: [UInt8]) -> Bool {
        var copy = [UInt8](repeating: 0, count: 4096)
        let count = getxattr(path, Self.attribute, &copy, copy.count)
        return count >= 0 && copy[..<count].elementsEqual(content)
    }

    private func content() throws -> [UInt8]? {
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

    private func create(_ path: String, content: [UInt8]) throws {
        unlink(path)
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
}

/// Why a spec file could not be written, read or removed.
public struct SpecFileError: Error, CustomStringConvertible {
    /// What is wrong and what to do.
    public let description: String

    init(_ description: String) {
        self.description = description
    }

    init(_ call: String, _ code: CInt) {
        description = "\(call): \(String(cString: strerror(code)))"
    }
}
