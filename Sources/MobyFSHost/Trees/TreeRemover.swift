// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// Deletes a directory with all that is in it, and nothing else whatever a container left there.
///
/// It works on open directories and single names, so no symbolic link is ever followed; it opens directories
/// only within the mount it started on, so nothing mounted inside the tree is entered; and it moves deep
/// directories up before it empties them, so depth costs no descriptors. What chattr(1) has made immutable is thawed.
package struct TreeRemover {
    private typealias Name = UnsafePointer<CChar>

    private let top: CInt
    private let path: FilePath
    private var counter = 0
    /// The first thing that could not be deleted.
    private var failure: SystemCallError?
    /// Names at the top that cannot be deleted.
    private var stuck: Set<DirectoryStream.Name> = []

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
        // Whether it was frozen shows when it is to go.
        _ = mobyfs_thaw_directory(top)
        var remover = TreeRemover(top: top, path: path)
        try remover.run()
    }

    private mutating func run() throws {
        let listing = try DirectoryStream(of: top, named: path.string)
        // Each pass empties the directories at the top and so brings up those one level below.
        var isDone = false
        while !isDone {
            isDone = true
            listing.rewind()
            while let name = try listing.next()?.name {
                if !stuck.isEmpty, stuck.contains(DirectoryStream.copy(name)) { continue }
                isDone = false
                if !removeTop(name) { stuck.insert(DirectoryStream.copy(name)) }
            }
        }
        if let failure { throw failure }
    }

    private mutating func removeTop(_ name: Name) -> Bool {
        guard let isDirectory = unlinkUnlessDirectory(name, in: top) else { return false }
        guard isDirectory else { return true }
        let directory = mobyfs_open_beneath(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        guard directory >= 0 else { return Self.hasChanged(-directory) || fail("open", name, -directory) }
        defer { close(directory) }
        do {
            let listing = try DirectoryStream(of: directory, named: path.string)
            while let child = try listing.next()?.name {
                guard unlinkUnlessDirectory(child, in: directory) == true else { continue }
                if unlinkat(directory, child, AT_REMOVEDIR) != 0 { moveUp(child, from: directory) }
            }
        } catch {
            return fail("read directory", name, errno)
        }
        if unlinkat(top, name, AT_REMOVEDIR) == 0 { return true }
        let reason = errno
        if reason == EPERM, mobyfs_thaw_directory(directory) == 0, unlinkat(top, name, AT_REMOVEDIR) == 0 {
            return true
        }
        return Self.hasChanged(reason) || fail("rmdir", name, reason)
    }

    /// Whether somebody has put something else in the place of a directory, or taken it away: the next pass sees to that.
    private static func hasChanged(_ reason: CInt) -> Bool { [ELOOP, ENOTDIR, ENOENT].contains(reason) }

    /// Deeper than this a full disk is not emptied.
    private static let levels = 64

    /// Deletes a directory where it is, as a disk that is full has no room to move it.
    ///
    /// - Returns: Whether it is gone.
    private mutating func removeInPlace(_ name: Name, from parent: CInt, levels: Int) -> Bool {
        guard levels > 0 else { return false }
        let directory = mobyfs_open_beneath(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        guard directory >= 0 else { return false }
        defer { close(directory) }
        do {
            let listing = try DirectoryStream(of: directory, named: path.string)
            while let child = try listing.next()?.name {
                guard unlinkUnlessDirectory(child, in: directory) == true else { continue }
                if unlinkat(directory, child, AT_REMOVEDIR) == 0 { continue }
                _ = removeInPlace(child, from: directory, levels: levels - 1)
            }
        } catch {
            // Who asked for this reports it.
            return false
        }
        return unlinkat(parent, name, AT_REMOVEDIR) == 0
    }

    /// Moves a directory that is not empty to the top; the kernel refuses to move a mountpoint.
    private mutating func moveUp(_ name: Name, from directory: CInt) {
        var isThawed = false
        while true {
            counter += 1
            let free = ".purge-\(counter)"
            // A name that is taken is refused, but by an empty directory, which is no loss.
            if renameat(directory, name, top, free) == 0 { return }
            let reason = errno
            if reason == ENOTEMPTY || reason == EEXIST || reason == ENOTDIR { continue }
            if reason == EPERM, !isThawed {
                isThawed = true
                thaw(name, in: directory)
                continue
            }
            if reason == ENOSPC || reason == EDQUOT, removeInPlace(name, from: directory, levels: Self.levels) {
                return
            }
            fail("move up", name, reason)
            return
        }
    }

    /// Lets a directory be moved that chattr(1) has kept where it is, or kept its parent as it is.
    private func thaw(_ name: Name, in parent: CInt) {
        _ = mobyfs_thaw_directory(parent)
        let directory = mobyfs_open_beneath(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        guard directory >= 0 else { return }
        _ = mobyfs_thaw_directory(directory)
        close(directory)
    }

    /// Says whether the name is a directory; anything else is unlinked, and nil says that it cannot be.
    private mutating func unlinkUnlessDirectory(_ name: Name, in directory: CInt) -> Bool? {
        if unlinkat(directory, name, 0) == 0 { return false }
        switch errno {
        case EISDIR: return true
        case ENOENT: return false
        // POSIX allows EPERM for a directory; it is also the answer for an immutable file.
        case var reason:
            var status = stat()
            if fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFDIR {
                return true
            }
            if reason == EPERM { reason = mobyfs_unlink_frozen(directory, name) }
            if reason == 0 { return false }
            fail("unlink", name, reason)
            return nil
        }
    }

    @discardableResult
    private mutating func fail(_ call: String, _ name: Name, _ reason: CInt) -> Bool {
        if failure == nil {
            failure = SystemCallError(
                "\(call) '\(DirectoryStream.text(name))' in '\(path)'", Errno(rawValue: reason))
        }
        return false
    }
}
