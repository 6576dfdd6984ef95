// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// A subvolume of a btrfs file system, in the kernel's terms.
package struct BtrfsSubvolume: Hashable, Sendable {
    /// Its number, never used again on its file system.
    package let id: UInt64
    /// The transaction that created it.
    package let created: UInt64
    package let isReadOnly: Bool
    /// Its UUID in hexadecimal digits, never used again at all.
    package let uuid: String
    let origin: BtrfsOrigin

    fileprivate init(_ facts: mobyfs_btrfs_subvolume) {
        id = facts.id
        created = facts.created
        isReadOnly = facts.is_read_only != 0
        func bytes(_ tuple: some Any) -> [UInt8] { withUnsafeBytes(of: tuple) { Array($0) } }
        uuid = BtrfsOrigin.text(bytes(facts.uuid))
        origin = BtrfsOrigin(parent: bytes(facts.parent_uuid), received: bytes(facts.received_uuid))
    }
}

/// An open directory of a btrfs file system; all work on such a file system begins with one.
package struct BtrfsDirectory: ~Copyable {
    let descriptor: CInt
    /// For messages only.
    package let path: FilePath

    /// Opens a directory; a symbolic link is refused.
    ///
    /// - Throws: ``SystemCallError``, with `notSupported` if the directory is not on btrfs.
    package init(_ path: FilePath) throws {
        self.init(takingOver: try Self.open(path), path: path)
    }

    private static func open(_ path: FilePath) throws -> CInt {
        let descriptor = Glibc.open(path.string, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        try check(descriptor, "open '\(path)'")
        guard isBtrfs(descriptor) else {
            close(descriptor)
            throw SystemCallError("use '\(path)' as btrfs", .notSupported)
        }
        return descriptor
    }

    init(takingOver descriptor: CInt, path: FilePath) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    /// Whether there is a directory at a path and it is on btrfs.
    package static func isBtrfs(_ path: FilePath) -> Bool {
        let descriptor = Glibc.open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return isBtrfs(descriptor)
    }

    private static func isBtrfs(_ descriptor: CInt) -> Bool {
        var isBtrfs: CInt = 0
        return mobyfs_is_btrfs(descriptor, &isBtrfs) == 0 && isBtrfs != 0
    }

    /// The directory's inode number.
    var inode: UInt64 {
        get throws {
            var status = stat()
            try check(fstat(descriptor, &status), "stat '\(path)'")
            return UInt64(status.st_ino)
        }
    }

    /// The subvolume that the directory is the root of; nil if it is a directory like any other.
    package func subvolume() throws -> BtrfsSubvolume? {
        try inode == BtrfsTree.rootInode ? containingSubvolume() : nil
    }

    /// The subvolume that the directory is in.
    package func containingSubvolume() throws -> BtrfsSubvolume {
        var facts = mobyfs_btrfs_subvolume()
        try call("look up the subvolume of '\(path)'", mobyfs_btrfs_subvolume(descriptor, &facts))
        return BtrfsSubvolume(facts)
    }

    /// The names of the subvolumes that are somewhere in the one that the directory is the root of, but not in those.
    package func nestedNames() throws -> [String] {
        try (items(of: containingSubvolume().id, .rootReference, in: BtrfsTree.roots) ?? []).map {
            // struct btrfs_root_ref: dirid, sequence, name_len, name.
            String(decoding: $0.name(at: 16), as: UTF8.self)
        }
    }

    /// Creates an empty subvolume in the directory, of the mode that the process's umask leaves of 0777.
    package func createSubvolume(named name: String) throws {
        try call(
            "create subvolume '\(path.appending(name))'", mobyfs_btrfs_create_subvolume(descriptor, name))
    }

    /// Creates a snapshot of a subvolume in the directory: all that it holds at this moment.
    ///
    /// Subvolumes inside it are not in the snapshot; empty directories stand in their place.
    ///
    /// - Parameters:
    ///   - name: The name of the snapshot.
    ///   - source: The subvolume, on the same file system.
    ///   - isReadOnly: Whether nobody can write to the snapshot.
    /// - Throws: ``SystemCallError``.
    package func createSnapshot(
        named name: String, of source: borrowing BtrfsDirectory, isReadOnly: Bool
    ) throws {
        try call(
            "create snapshot '\(path.appending(name))' of '\(source.path)'",
            mobyfs_btrfs_create_snapshot(descriptor, name, source.descriptor, isReadOnly ? 1 : 0))
    }

    /// Makes what was done so far survive a power cut, and the kernel begin to clear deleted subvolumes away.
    package func commit() throws {
        try call("commit the file system of '\(path)'", mobyfs_btrfs_commit(descriptor))
    }

    /// Turns the error number of a shim into an error.
    func call(_ name: @autoclosure () -> String, _ failure: CInt) throws {
        guard failure == 0 else { throw SystemCallError(name(), Errno(rawValue: failure)) }
    }
}
