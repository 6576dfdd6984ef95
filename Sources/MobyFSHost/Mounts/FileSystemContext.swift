// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
import SystemPackage

/// A mount in the making: fsopen(2), fsconfig(2), fsmount(2), move_mount(2).
struct FileSystemContext: ~Copyable {
    private let descriptor: CInt
    private let type: String
    private let source: String

    /// Begins a mount.
    ///
    /// - Parameters:
    ///   - type: The type of the file system.
    ///   - source: What to mount; nil if nothing will be.
    /// - Throws: ``MountError``.
    init(type: String, source: String?) throws {
        self.type = type
        self.source = source ?? "none"
        descriptor = mobyfs_fsopen(type)
        guard descriptor >= 0 else {
            let reason = Errno(rawValue: -descriptor)
            throw MountError(
                type: type, source: self.source, path: nil, errno: reason,
                messages: reason.rawValue == ENODEV ? ["this kernel has no file system '\(type)'"] : [])
        }
        if let source { try set("source", source) }
    }

    /// Begins a change to the file system that is mounted at a path.
    init(changing path: FilePath, type: String) throws {
        self.type = type
        source = path.string
        descriptor = mobyfs_fspick(path.string)
        guard descriptor >= 0 else {
            throw MountError(type: type, source: source, path: path, errno: Errno(rawValue: -descriptor))
        }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// Sets an option; without a value, a flag.
    borrowing func set(_ key: String, _ value: String?) throws {
        let result = mobyfs_fsconfig_set(descriptor, key, value)
        guard result < 0 else { return }
        var messages = messages()
        let errno = Errno(rawValue: -result)
        if messages.isEmpty {
            // Not every file system says which.
            let isLost = errno == .noSuchFileOrDirectory && value?.contains("/") == true
            let text = "option '\(key)\(value.map { "=\($0)" } ?? "")'"
            messages = [text + (isLost ? " names what is not there" : " is not taken")]
        }
        throw MountError(type: type, source: source, path: nil, errno: errno, messages: messages)
    }

    /// Makes the mount and puts it at a path.
    consuming func mount(at path: FilePath, attributes: UInt32) throws {
        try check(mobyfs_fsconfig_create(descriptor), path)
        let mount = mobyfs_fsmount(descriptor, attributes)
        try check(mount, path)
        defer { close(mount) }
        try check(mobyfs_move_mount(mount, path.string), path)
    }

    /// Makes the change.
    consuming func reconfigure(at path: FilePath) throws {
        try check(mobyfs_fsconfig_reconfigure(descriptor), path)
    }

    private borrowing func check(_ result: CInt, _ path: FilePath) throws {
        guard result < 0 else { return }
        throw MountError(
            type: type, source: source, path: path, errno: Errno(rawValue: -result), messages: messages())
    }

    /// The errors and warnings that the kernel has written for this mount.
    ///
    /// Each read gives one, as `e TEXT`, `w TEXT` or `i TEXT`.
    private borrowing func messages() -> [String] {
        var messages: [String] = []
        var buffer = [UInt8](repeating: 0, count: 1024)
        while messages.count < 8 {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 2 else { break }
            let text = String(decoding: buffer[..<count], as: UTF8.self)
            guard text.hasPrefix("e ") || text.hasPrefix("w ") else { continue }
            let line = text.dropFirst(2).filter { !$0.isNewline }
            if !messages.contains(String(line)) { messages.append(String(line)) }
        }
        return messages
    }
}
