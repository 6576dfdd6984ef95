// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSVolumes
import SystemPackage

/// The size of a volume on btrfs: the limit of a quota group.
///
/// What counts is the room on disk that the volume's subvolumes refer to: data after compression, and metadata, but
/// before RAID multiplies it. A write is counted uncompressed until it is on disk, and an overwrite takes new room
/// until the next commit gives the old back; so a write may be refused somewhat before the size is reached, never after.
struct BtrfsSize {
    private let volume: Volume
    private let subvolume: BtrfsSubvolume
    private var group: BtrfsGroup { .volume(subvolume.id) }
    private var own: BtrfsGroup { .subvolume(subvolume.id) }

    init(of volume: Volume, _ subvolume: BtrfsSubvolume) {
        self.volume = volume
        self.subvolume = subvolume
    }

    /// Makes the limit what the volume's options say.
    ///
    /// - Parameters:
    ///   - data: The subvolume.
    ///   - deadline: When to give up on waiting for a rescan, before which a limit does not bite; nil waits for none.
    /// - Throws: ``VolumeError`` if the volume cannot be held to its size; ``SystemCallError``.
    func apply(to data: borrowing BtrfsDirectory, until deadline: ContinuousClock.Instant? = nil) throws {
        guard let size = volume.options.size else { return try lift(data) }
        let isSet = try !isMissing(from: data)
        if !isSet { try prepare(data, size) }
        guard let status = try data.quotaStatus() else { return }
        if !status.isSimple {
            try data.startRescanIfNeeded()
            try adoptNested(data)
            if let deadline { try waitForRescan(of: data, until: deadline) }
        }
        if !isSet { try data.setLimit(of: group, to: size.bytes) }
    }

    /// Makes the limit of a volume that has been there for some time what the volume's options say.
    ///
    /// - Throws: ``VolumeError`` if the volume cannot be held to its size; ``SystemCallError``.
    func renew(on data: borrowing BtrfsDirectory) throws {
        // Whoever has switched quotas off did so to all volumes, and simple quotas would never count what these hold.
        if try isMissing(from: data), try data.quotaStatus() == nil { try data.enableQuota(countingAll: true) }
        try apply(to: data)
    }

    /// Whether the volume has a size that nothing holds it to.
    func isMissing(from data: borrowing BtrfsDirectory) throws -> Bool {
        guard let size = volume.options.size else { return false }
        return try data.limit(of: group) != size.bytes || !data.members(of: group).contains(own)
    }

    /// Takes away the limit that kept data may have from an earlier volume.
    private func lift(_ data: borrowing BtrfsDirectory) throws {
        do {
            if try data.limit(of: group) != nil { try data.setLimit(of: group, to: nil) }
        } catch let error as SystemCallError where error.errno == .notPermitted {
            // Who may not read limits has set none.
        }
    }

    /// Changes the limit, unless more is used.
    func change(
        to size: ByteSize, of data: borrowing BtrfsDirectory, until deadline: ContinuousClock.Instant
    ) throws {
        try prepare(data, size)
        try waitForRescan(of: data, until: deadline)
        // What is counted is up to date after a commit.
        try data.commit()
        if let used = try data.usage(of: group), used > size.bytes {
            throw VolumeError(
                .invalidArgument,
                "volume '\(volume.name)' cannot have the size \(size): it takes \(ByteSize(bytes: used)) on disk; delete "
                    + "something, or give it more")
        }
        try data.setLimit(of: group, to: size.bytes)
        try data.commit()
    }

    /// Makes the group, and quotas if there are none.
    private func prepare(_ data: borrowing BtrfsDirectory, _ size: ByteSize) throws {
        // It counted all there was when it was made.
        if try data.members(of: group).contains(own) { return }
        // Looked at only if it matters: there may be a lot in it.
        let isEmpty = try Directories.entries(of: data.path).isEmpty
        if try data.quotaStatus() == nil { try data.enableQuota(countingAll: !isEmpty) }
        guard let status = try data.quotaStatus(), isEmpty || status.counts(subvolume) else {
            throw VolumeError(
                .unavailable,
                "volume '\(volume.name)' cannot be held to \(size): the pool's simple quotas do not count what it held when "
                    + "they were switched on; run 'btrfs quota disable \(data.path)' and then 'btrfs quota enable "
                    + "\(data.path)', after which mobyfs limits all other volumes in use anew within moments and the "
                    + "rest when they are mounted, or copy its data to a new volume")
        }
        try data.createGroup(own)
        try data.createGroup(group)
        try data.assign(own, to: group)
    }

    /// Counts subvolumes that were made inside for the volume, where the kernel does not do it itself.
    private func adoptNested(_ data: borrowing BtrfsDirectory) throws {
        let members = Set(try data.members(of: group))
        for nested in try data.nestedSubvolumes() where !members.contains(.subvolume(nested)) {
            try data.createGroup(.subvolume(nested))
            try data.assign(.subvolume(nested), to: group)
        }
    }

    private func waitForRescan(of data: borrowing BtrfsDirectory, until deadline: ContinuousClock.Instant) throws {
        // Time enough to take back what was done.
        guard try data.waitForRescan(until: deadline - .seconds(5)) else {
            throw VolumeError(
                .unavailable,
                "volume '\(volume.name)' cannot be held to a size yet: btrfs still counts what is in the pool (btrfs quota "
                    + "rescan -s \(data.path) tells how far it is); try again later")
        }
    }
}
