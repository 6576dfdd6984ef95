// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
package import Glibc
package import SystemPackage

/// Making, listing and describing directories.
package enum Directories {
    /// Creates a directory and the parents it lacks; one that exists keeps its mode.
    ///
    /// - Parameters:
    ///   - path: The directory.
    ///   - mode: The mode of what is created.
    ///   - isDurable: Whether to wait for the disk; without it, that is for a later sync of the parent.
    /// - Returns: The directories that were created, outermost first.
    /// - Throws: ``SystemCallError``; nothing is left behind.
    @discardableResult
    package static func create(_ path: FilePath, mode: mode_t, isDurable: Bool = true) throws -> [FilePath] {
        var created: [FilePath] = []
        do {
            for directory in try missing(path) {
                if mkdir(directory.string, mode) != 0 {
                    let reason = Errno(rawValue: errno)
                    // Another process may have been quicker.
                    guard reason == .fileExists else { throw SystemCallError("mkdir '\(directory)'", reason) }
                    continue
                }
                created.append(directory)
                // Whatever the process's umask is.
                try check(chmod(directory.string, mode), "chmod '\(directory)'")
                if isDurable { try DurableFile.syncDirectory(directory.removingLastComponent()) }
            }
        } catch {
            for directory in created.reversed() { rmdir(directory.string) }
            throw error
        }
        return created
    }

    /// The directory and those of its parents that do not exist, outermost first.
    private static func missing(_ path: FilePath) throws -> [FilePath] {
        var missing: [FilePath] = []
        var directory = path
        while true {
            var status = stat()
            if stat(directory.string, &status) == 0 {
                guard status.st_mode & S_IFMT == S_IFDIR else {
                    throw SystemCallError("mkdir '\(path)': '\(directory)'", .notDirectory)
                }
                return missing.reversed()
            }
            let reason = Errno(rawValue: errno)
            guard reason == .noSuchFileOrDirectory, !directory.isRoot else {
                throw SystemCallError("stat '\(directory)'", reason)
            }
            missing.append(directory)
            directory = directory.removingLastComponent()
        }
    }

    /// The names in a directory but `.` and `..`, in no order.
    package static func entries(of path: FilePath) throws -> [String] {
        var names: [String] = []
        try list(path) { entry, _ in names.append(entry) }
        return names
    }

    private static func list(_ path: FilePath, _ body: (String, DirectoryStream.Entry) -> Void) throws {
        let descriptor = try check(
            open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open '\(path)'")
        let stream = try DirectoryStream(takingOver: descriptor, named: path.string)
        while let entry = try stream.next() { body(DirectoryStream.text(entry.name), entry) }
    }

    /// The same names, each with whether it is that of a directory, and not of a symbolic link to one.
    package static func kindsOfEntries(of path: FilePath) throws -> [(name: String, isDirectory: Bool)] {
        var kinds: [(name: String, isDirectory: Bool)] = []
        try list(path) { name, entry in
            kinds.append((name, entry.isDirectory ?? isRealDirectory(path.appending(name))))
        }
        return kinds
    }

    /// The names in a directory but `.` and `..`, each with the number of its file, as the file system says them now.
    ///
    /// Where several hosts have it, what stat(2) says of a name may be a little old; a list is made anew.
    package static func fileNumbers(of path: FilePath) throws -> [String: ino_t] {
        var numbers: [String: ino_t] = [:]
        try list(path) { numbers[$0] = $1.inode }
        return numbers
    }

    /// What kind of thing is at a path; nil if nothing is, or nothing that can be looked at.
    package static func isDirectory(_ path: FilePath) -> Bool? {
        var status = stat()
        guard stat(path.string, &status) == 0 else { return nil }
        return status.st_mode & S_IFMT == S_IFDIR
    }

    /// Whether there is a directory at a path, and not a symbolic link to one.
    package static func isRealDirectory(_ path: FilePath) -> Bool {
        var status = stat()
        return path.withPlatformString { lstat($0, &status) } == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The path that a path stands for, all symbolic links of the part that exists followed.
    package static func resolve(_ path: FilePath) -> FilePath {
        var (existing, missing) = (path, FilePath(""))
        while true {
            if let resolved = realpath(existing.string, nil) {
                defer { free(resolved) }
                return FilePath(String(cString: resolved)).pushing(missing)
            }
            guard let last = existing.lastComponent else { return path }
            missing = FilePath(root: nil, [last]).pushing(missing)
            existing.removeLastComponent()
        }
    }

    /// Gives a directory of this process's user another mode if it has just the one that is too wide.
    ///
    /// - Parameters:
    ///   - path: The directory.
    ///   - wide: The mode that is too wide.
    ///   - narrow: The mode it gets.
    ///   - group: The group it gets where it still has root's; nil to leave it.
    /// - Throws: `SystemCallError`.
    package static func narrow(_ path: FilePath, from wide: mode_t, to narrow: mode_t, group: gid_t? = nil) throws {
        var status = stat()
        try check(stat(path.string, &status), "stat '\(path)'")
        guard status.st_uid == geteuid() else { return }
        if let group, status.st_gid == 0, group != 0 {
            try check(chown(path.string, .max, group), "chown '\(path)'")
        }
        if status.st_mode & 0o7777 == wide { try check(chmod(path.string, narrow), "chmod '\(path)'") }
    }

    /// The group of a directory.
    package static func group(of path: FilePath) throws -> gid_t {
        var status = stat()
        try check(stat(path.string, &status), "stat '\(path)'")
        return status.st_gid
    }

    /// Opens a directory by a path without symbolic links, such as ``resolve(_:)`` gives.
    ///
    /// Whoever owns a folder on the way can put a link there after it was resolved: that is an error.
    static func openReal(_ path: FilePath) throws -> CInt {
        let descriptor = mobyfs_open_real(path.string, O_RDONLY | O_DIRECTORY)
        guard descriptor >= 0 else { throw SystemCallError("open '\(path)'", Errno(rawValue: -descriptor)) }
        return descriptor
    }

    /// Works with a directory that is opened by a path without symbolic links; one that has come there is an error.
    package static func withReal<Result>(_ path: FilePath, _ body: (CInt) throws -> Result) throws -> Result {
        let descriptor = try openReal(path)
        defer { close(descriptor) }
        return try body(descriptor)
    }

    /// Waits until all that was written to a directory's file system is on its disk.
    ///
    /// Blocks.
    package static func syncFileSystem(of path: FilePath) throws {
        let descriptor = try check(open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open '\(path)'")
        defer { close(descriptor) }
        let reason = mobyfs_sync_filesystem(descriptor)
        guard reason == 0 else { throw SystemCallError("sync '\(path)'", Errno(rawValue: reason)) }
    }

    /// How much can still be written to a directory's file system.
    package static func freeBytes(of path: FilePath) throws -> UInt64 {
        var status = statvfs()
        try check(statvfs(path.string, &status), "statvfs '\(path)'")
        return UInt64(status.f_bavail).multipliedFullWidth(by: UInt64(status.f_frsize)).low
    }

    /// Whether next to nothing can be written to a directory's file system any more.
    package static func isFull(_ path: FilePath) throws -> Bool {
        // btrfs keeps a little that no file gets.
        try freeBytes(of: path) < 1 << 20
    }

    /// Throws if this process can change nothing in a directory.
    package static func requireWritable(_ path: FilePath) throws {
        try check(access(path.string, W_OK | X_OK), "write to '\(path)'")
    }

    /// Deletes a directory if nothing is in it.
    package static func removeIfEmpty(_ path: FilePath) {
        rmdir(path.string)
    }

    /// Sets what is asked for of a directory's owner, group and mode, if it is not so already; a link to one is refused.
    package static func set(owner: uid_t?, group: gid_t?, mode: mode_t?, of path: FilePath) throws {
        let descriptor = try check(
            open(path.string, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "open '\(path)'")
        defer { close(descriptor) }
        try set(owner: owner, group: group, mode: mode, of: descriptor, named: path)
    }

    /// The same for a directory that is open for reading.
    package static func set(
        owner: uid_t?, group: gid_t?, mode: mode_t?, of descriptor: CInt, named path: FilePath
    ) throws {
        var status = stat()
        try check(fstat(descriptor, &status), "stat '\(path)'")
        let owner = owner ?? status.st_uid
        let group = group ?? status.st_gid
        if owner != status.st_uid || group != status.st_gid {
            try check(fchown(descriptor, owner, group), "chown '\(path)' to \(owner):\(group)")
            // chown(2) may have taken set-group-ID away.
            try check(fchmod(descriptor, mode ?? (status.st_mode & 0o7777)), "chmod '\(path)'")
        } else if let mode, mode != status.st_mode & 0o7777 {
            try check(fchmod(descriptor, mode), "chmod '\(path)'")
        } else {
            return
        }
        try check(fsync(descriptor), "sync '\(path)'")
    }
}

extension FilePath {
    /// Whether this is `/`.
    package var isRoot: Bool { root != nil && components.isEmpty }

    /// Whether the last two components of a directory's path stand somewhere in this one, one after the other.
    func hasEnd(of directory: FilePath) -> Bool {
        let (own, end) = (components.map(\.string), directory.components.suffix(2).map(\.string))
        return own.indices.contains { own[$0...].starts(with: end) }
    }
}
