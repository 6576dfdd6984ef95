// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// Deletes the subvolumes that are somewhere below a directory, with all that is in them, and their quota groups.
///
/// It finds them in the file system's metadata rather than by a walk, and opens directories one name at a time
/// from the top: so no symbolic link is followed, no mount is entered, and neither depth nor odd names nor
/// read-only subvolumes, which a container may all leave, are in the way.
package struct BtrfsSubvolumeRemover: ~Copyable {
    private typealias Name = [CChar]

    private struct Found {
        let id: UInt64
        /// The one that it is in, as an index; nil for the top's own.
        let parent: Int?
        /// The directories between that one's root, or the top, and this one.
        let steps: [Name]
        let name: Name
    }

    /// The file that keeps the numbers of subvolumes that are deleted, but whose quota groups may be left, where
    /// there is room for it.
    static let journal = "quota-groups"

    private let top: BtrfsDirectory
    private var found: [Found] = []
    private var journal: FilePath { top.path.appending(Self.journal) }

    /// Deletes the subvolumes below a directory.
    ///
    /// It may be repeated after a crash, and goes on where it was.
    ///
    /// - Parameters:
    ///   - path: The directory, which itself stays; nobody but root may write to it.
    ///   - deadline: How long to wait for the kernel, which counts for the quota groups of deleted subvolumes
    ///     until it has cleared them away; it does not while a file in them is open.
    /// - Throws: ``SystemCallError``, with `resourceBusy` if the time is up and quota groups are left.
    package static func remove(below path: FilePath, until deadline: ContinuousClock.Instant) throws {
        guard BtrfsDirectory.isBtrfs(path) else { return }
        var remover = BtrfsSubvolumeRemover(top: try BtrfsDirectory(path))
        do {
            try remover.survey()
        } catch let error as SystemCallError where error.errno == .notPermitted {
            // To search the metadata takes CAP_SYS_ADMIN. Without it, what rmdir(2) does for subvolumes has to do.
            return
        }
        try remover.run(until: deadline)
    }

    private init(top: consuming BtrfsDirectory) {
        self.top = top
    }

    // MARK: - Finding

    private mutating func survey() throws {
        try add(of: try top.containingSubvolume().id, below: try top.inode, parent: nil)
        var index = 0
        while index < found.count {
            try add(of: found[index].id, below: BtrfsTree.rootInode, parent: index)
            index += 1
        }
    }

    /// Adds the subvolumes that are directly in one and there below a directory.
    private mutating func add(of subvolume: UInt64, below directory: UInt64, parent: Int?) throws {
        var elsewhere: Set<UInt64> = []
        for reference in try top.items(of: subvolume, .rootReference, in: BtrfsTree.roots) ?? [] {
            // struct btrfs_root_ref: dirid, sequence, name_len, name.
            let place = reference.number(at: 0)
            guard let steps = try steps(from: directory, to: place, in: subvolume, elsewhere: &elsewhere) else {
                continue
            }
            found.append(
                Found(id: reference.offset, parent: parent, steps: steps, name: Self.terminated(reference.name(at: 16)))
            )
        }
    }

    /// The names that lead from one directory of a subvolume down to another; nil if it is not below.
    private func steps(
        from top: UInt64, to bottom: UInt64, in subvolume: UInt64, elsewhere: inout Set<UInt64>
    ) throws -> [Name]? {
        var names: [Name] = []
        var inode = bottom
        var seen: [UInt64] = []
        while inode != top {
            seen.append(inode)
            guard inode != BtrfsTree.rootInode, !elsewhere.contains(inode),
                // struct btrfs_inode_ref: index, name_len, name; the offset is the parent.
                let reference = try self.top.items(of: inode, .inodeReference, in: subvolume)?.first
            else {
                elsewhere.formUnion(seen)
                return nil
            }
            names.append(Self.terminated(reference.name(at: 8)))
            inode = reference.offset
        }
        return names.reversed()
    }

    private static func terminated(_ name: [UInt8]) -> Name {
        name.map { CChar(bitPattern: $0) } + [0]
    }

    // MARK: - Deleting

    private func run(until deadline: ContinuousClock.Instant) throws {
        let quotas = try top.quotaStatus()
        let numbers = try readJournal().union(found.map(\.id))
        guard !numbers.isEmpty else { return }
        // In a full file system there is no room for it, nor will there be unless something is deleted: what a crash
        // leaves of quota groups then is the lesser evil.
        let isNoted = try quotas == nil || write(numbers)
        for index in found.indices {
            try prepare(index)
            if let quotas { _ = try Self.ifThereIsRoom { try dissolveGroup(of: found[index].id, quotas) } }
        }
        for index in found.indices.reversed() { try delete(index) }
        guard let quotas else { return }
        do {
            try removeGroups(of: numbers, quotas, until: deadline)
        } catch {
            // By now there may be room, so that whoever comes back for them knows which they are.
            if !isNoted { _ = try write(numbers) }
            throw error
        }
        do {
            try Files.unlink(journal)
        } catch let error as SystemCallError where !isNoted && error.errno == .noSuchFileOrDirectory {
            return
        }
    }

    /// Makes sure that what is inside can be deleted.
    private func prepare(_ index: Int) throws {
        let one = found[index]
        let directory = try open(place(of: index) + [one.name])
        // Somebody may have moved another directory there.
        guard let subvolume = try directory.subvolume(), subvolume.id == one.id else {
            throw SystemCallError("find subvolume \(one.id) in '\(top.path)'", .noSuchFileOrDirectory)
        }
        if subvolume.isReadOnly {
            try top.call(
                "make subvolume \(one.id) in '\(top.path)' writable",
                mobyfs_btrfs_make_writable(directory.descriptor))
        }
    }

    private func delete(_ index: Int) throws {
        let one = found[index]
        let directory = try open(place(of: index))
        let name = String(decoding: one.name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        try top.call(
            "delete subvolume '\(name)' in '\(top.path)'",
            mobyfs_btrfs_delete_subvolume(directory.descriptor, one.name))
    }

    /// The names from the top to the directory that a subvolume is in.
    private func place(of index: Int) -> [Name] {
        var path: [[Name]] = [found[index].steps]
        var current = found[index].parent
        while let index = current {
            path.append(found[index].steps + [found[index].name])
            current = found[index].parent
        }
        return path.reversed().flatMap { $0 }
    }

    private func open(_ names: [Name]) throws -> BtrfsDirectory {
        var directory = BtrfsDirectory(
            takingOver: try check(
                openat(top.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open '\(top.path)'"),
            path: top.path)
        for name in names {
            let next = mobyfs_open_beneath(directory.descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            guard next >= 0 else {
                throw SystemCallError("open a directory in '\(top.path)'", Errno(rawValue: -next))
            }
            directory = BtrfsDirectory(takingOver: next, path: top.path)
        }
        return directory
    }

    // MARK: - Quota groups

    /// Does what takes some room.
    ///
    /// - Returns: What `body` does; nil if the file system is too full for it.
    private static func ifThereIsRoom<Result>(_ body: () throws -> Result) throws -> Result? {
        do {
            return try body()
        } catch let error as SystemCallError where [.noSpace, .diskQuotaExceeded].contains(error.errno) {
            return nil
        }
    }

    /// Writes the journal.
    ///
    /// - Returns: Whether there was room for it; without, it is as it was.
    private func write(_ numbers: Set<UInt64>) throws -> Bool {
        try Self.ifThereIsRoom {
            try DurableFile.write(numbers.map { "\($0)\n" }.joined().utf8, to: journal)
        } != nil
    }

    private func readJournal() throws -> Set<UInt64> {
        do {
            let bytes = try DurableFile.read(journal)
            return Set(
                bytes.split(separator: UInt8(ascii: "\n")).compactMap { UInt64(String(decoding: $0, as: UTF8.self)) })
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
            return []
        }
    }

    /// Takes the limits away, and the volume's group with its members, if that can be done without counting anew.
    private func dissolveGroup(of subvolume: UInt64, _ quotas: BtrfsQuotaStatus) throws {
        let volume = BtrfsGroup.volume(subvolume)
        // To unlink a nested subvolume takes some space, which a full volume has not.
        for group in [volume, .subvolume(subvolume)] where try top.limit(of: group) != nil {
            try top.setLimit(of: group, to: nil)
        }
        for member in try top.members(of: volume) {
            guard try quotas.isSimple || top.isUnshared(member) else { continue }
            try top.assign(member, to: volume, false)
        }
        _ = try top.removeGroup(volume)
    }

    private func removeGroups(
        of subvolumes: Set<UInt64>, _ quotas: BtrfsQuotaStatus, until deadline: ContinuousClock.Instant
    ) throws {
        // Those inside others, which are members of their groups, are younger.
        var left = subvolumes.sorted(by: >)
        var cleared: Set<UInt64> = []
        var pause: UInt32 = 5_000
        while true {
            try top.commit()
            left = try left.filter { subvolume in
                try Self.ifThereIsRoom { try removeGroups(of: subvolume, quotas, &cleared) } != true
            }
            if left.isEmpty { return }
            guard ContinuousClock.now < deadline else {
                throw SystemCallError(
                    "remove quota groups of '\(top.path)', whose subvolumes the kernel still clears away",
                    .resourceBusy)
            }
            usleep(pause)
            pause = min(2 * pause, 500_000)
        }
    }

    /// Removes the groups of a deleted subvolume.
    ///
    /// - Returns: Whether there is nothing left to do; false while the kernel clears the subvolume away.
    private func removeGroups(
        of subvolume: UInt64, _ quotas: BtrfsQuotaStatus, _ cleared: inout Set<UInt64>
    ) throws -> Bool {
        let (own, volume) = (BtrfsGroup.subvolume(subvolume), BtrfsGroup.volume(subvolume))
        if try !top.removeGroup(own), !Self.kernelRemovesGroups {
            let isClearedAway = try top.items(of: subvolume, .root, in: BtrfsTree.roots)?.isEmpty ?? true
            // The commit after that brings the counts up to date.
            guard isClearedAway, !cleared.insert(subvolume).inserted, quotas.isSimple else { return false }
            // What it wrote lives on in a snapshot, and simple quotas put that down to the writer: the kernel keeps
            // that group, but it need not be the volume's any more.
            try top.assign(own, to: volume, false)
        }
        return try top.removeGroup(volume)
    }

    /// Whether the kernel removes the group of a subvolume with it: since Linux 6.12.
    private static let kernelRemovesGroups: Bool = {
        let parts = KernelRelease.current.split(separator: ".").prefix(2).compactMap { UInt($0.prefix { $0.isNumber }) }
        return parts.count == 2 && (parts[0], parts[1]) >= (6, 12)
    }()
}
