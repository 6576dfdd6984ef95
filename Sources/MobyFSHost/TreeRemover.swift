// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// Deletes a directory with all that is in it, and nothing else whatever a container left there.
///
/// It works on open directories and single names, so no symbolic link is ever followed; it opens directories
/// only within the mount it started on, so nothing mounted inside the tree is entered; and it moves deep
/// directories up before it empties them, so depth costs no descriptors.
package struct TreeRemover {
    private let top: CInt
    private let path: FilePath
    private var counter = 0
    /// The first thing that could not be deleted.
    private var failure: SystemCallError?
    /// Names at the top that cannot be deleted.
    private var stuck: Set<String> = []

    private init(top: CInt, path: FilePath) {
        self.top = top
        self.path = path
    }

    /// Deletes a directory and its content.
    ///
    /// - Throws: ``SystemCallError`` for the first thing that could not be deleted; all the rest is.
    package static func remove(_ path: FilePath) throws {
        try empty(path)
        try check(rmdir(path.string), "rmdir '\(path)'")
    }

    /// Deletes a directory's content.
    package static func empty(_ path: FilePath) throws {
        let top = open(path.string, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        try check(top, "open '\(path)'")
        defer { close(top) }
        var facts = mobyfs_file_facts()
        guard mobyfs_file_facts(top, &facts) == 0, facts.is_mount_root == 0 else {
            throw SystemCallError("empty '\(path)', where something is mounted", .resourceBusy)
        }
        var remover = TreeRemover(top: top, path: path)
        try remover.run()
    }

    private mutating func run() throws {
        // Each pass empties the directories at the top and so brings up those one level below.
        while true {
            let names = try entries(of: top).filter { !stuck.contains($0) }
            if names.isEmpty { break }
            for name in names where !removeTop(name) { stuck.insert(name) }
        }
        if let failure { throw failure }
    }

    private mutating func removeTop(_ name: String) -> Bool {
        guard let isDirectory = unlinkUnlessDirectory(name, in: top) else { return false }
        guard isDirectory else { return true }
        let directory = mobyfs_open_beneath(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        guard directory >= 0 else { return fail("open '\(name)' in '\(path)'", -directory) }
        defer { close(directory) }
        do {
            for child in try entries(of: directory) where unlinkUnlessDirectory(child, in: directory) == true {
                if unlinkat(directory, child, AT_REMOVEDIR) != 0 { moveUp(child, from: directory) }
            }
        } catch {
            return fail("read directory '\(name)' in '\(path)'", errno)
        }
        return unlinkat(top, name, AT_REMOVEDIR) == 0 || fail("rmdir '\(name)' in '\(path)'", errno)
    }

    /// Deeper than this a full disk is not emptied.
    private static let levels = 64

    /// Deletes a directory where it is, as a disk that is full has no room to move it.
    ///
    /// - Returns: Whether it is gone.
    private mutating func removeInPlace(_ name: String, from parent: CInt, levels: Int) -> Bool {
        guard levels > 0 else { return false }
        let directory = mobyfs_open_beneath(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        guard directory >= 0 else { return false }
        defer { close(directory) }
        // What cannot be read is reported by who asked for this.
        for child in (try? entries(of: directory)) ?? [] where unlinkUnlessDirectory(child, in: directory) == true {
            if unlinkat(directory, child, AT_REMOVEDIR) == 0 { continue }
            _ = removeInPlace(child, from: directory, levels: levels - 1)
        }
        return unlinkat(parent, name, AT_REMOVEDIR) == 0
    }

    /// Moves a directory that is not empty to the top; the kernel refuses to move a mountpoint.
    private mutating func moveUp(_ name: String, from directory: CInt) {
        while true {
            counter += 1
            let free = ".purge-\(counter)"
            // A name that is taken is refused, but by an empty directory, which is no loss.
            if renameat(directory, name, top, free) == 0 { return }
            let reason = errno
            if reason == ENOTEMPTY || reason == EEXIST || reason == ENOTDIR { continue }
            if reason == ENOSPC || reason == EDQUOT, removeInPlace(name, from: directory, levels: Self.levels) {
                return
            }
            fail("move '\(name)' out of a directory in '\(path)'", reason)
            return
        }
    }

    /// Says whether the name is a directory; anything else is unlinked, and nil says that it cannot be.
    private mutating func unlinkUnlessDirectory(_ name: String, in directory: CInt) -> Bool? {
        if unlinkat(directory, name, 0) == 0 { return false }
        switch errno {
        case EISDIR: return true
        case ENOENT: return false
        // POSIX allows EPERM for a directory; it is also the answer for an immutable file.
        case let reason:
            var status = stat()
            if fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFDIR {
                return true
            }
            fail("unlink '\(name)' in '\(path)'", reason)
            return nil
        }
    }

    @discardableResult
    private mutating func fail(_ call: String, _ reason: CInt) -> Bool {
        if failure == nil { failure = SystemCallError(call, Errno(rawValue: reason)) }
        return false
    }

    private func entries(of directory: CInt) throws -> [String] {
        let descriptor = try check(
            openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open a directory in '\(path)'")
        return try Directories.entries(takingOver: descriptor, named: path.string)
    }
}
