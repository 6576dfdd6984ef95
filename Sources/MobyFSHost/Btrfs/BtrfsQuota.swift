// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
import SystemPackage

/// A quota group of a btrfs file system, written `LEVEL/NUMBER`.
package struct BtrfsGroup: Hashable, Sendable, CustomStringConvertible {
    /// The level in the upper 16 bits, the number in the others.
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    package init(level: UInt64, number: UInt64) {
        rawValue = level << 48 | number
    }

    /// The group that the kernel keeps for a subvolume.
    package static func subvolume(_ id: UInt64) -> BtrfsGroup { BtrfsGroup(level: 0, number: id) }

    /// The group of a volume: its subvolume, and those that are made inside it.
    ///
    /// It carries the volume's limit, so that nested subvolumes, which any process may make, lead no way around it.
    /// Simple quotas put them into the group at once. The level is one that nobody else is likely to use.
    package static func volume(_ id: UInt64) -> BtrfsGroup { BtrfsGroup(level: 4096, number: id) }

    package var description: String { "\(rawValue >> 48)/\(rawValue & (1 << 48 - 1))" }
}

/// How a btrfs file system counts what its subvolumes use.
package struct BtrfsQuotaStatus: Hashable, Sendable {
    /// Whether space is put down to the subvolume that wrote it, rather than to all that refer to it.
    package let isSimple: Bool
    /// Whether the counts are out of step until a rescan is through.
    package let isInconsistent: Bool
    /// The first transaction that simple quotas count.
    fileprivate let since: UInt64

    /// Whether all that a subvolume holds has been counted.
    ///
    /// Simple quotas never count what was written before they were switched on.
    package func counts(_ subvolume: BtrfsSubvolume) -> Bool {
        !isSimple || subvolume.created >= since
    }
}

extension BtrfsDirectory {
    /// How quotas count on this file system; nil if they are off.
    package func quotaStatus() throws -> BtrfsQuotaStatus? {
        guard let item = try items(of: 0, .quotaStatus, in: BtrfsTree.quotas)?.first else { return nil }
        // struct btrfs_qgroup_status_item: version, generation, flags, rescan, enable_gen.
        let flags = item.number(at: 16)
        guard flags & 1 != 0 else { return nil }
        return BtrfsQuotaStatus(
            isSimple: flags & 8 != 0, isInconsistent: flags & (2 | 4) != 0, since: item.number(at: 32))
    }

    /// Switches quotas on for the whole file system; does nothing where they are on.
    ///
    /// Simple quotas (Linux 6.7) cost next to nothing: each new extent notes its owner. But they count only what is
    /// written from now on, and kernels before 6.7 cannot mount the file system any more. The others count what
    /// is there too, by reading all metadata once in the background, and from then on every commit looks up who
    /// refers to each extent that changed, which is slow where there are many snapshots.
    ///
    /// - Parameter countingAll: Whether what is there already must count.
    /// - Throws: ``SystemCallError``.
    package func enableQuota(countingAll: Bool) throws {
        let action = "switch on quotas for the file system of '\(path)'"
        if !countingAll {
            let failure = mobyfs_btrfs_enable_quota(descriptor, 1)
            // What a kernel says that has never heard of them.
            if failure != EINVAL { return try call(action, failure) }
        }
        try call(action, mobyfs_btrfs_enable_quota(descriptor, 0))
    }

    /// Sees to it that the counts become right, if they are not and nobody is at it.
    package func startRescanIfNeeded() throws {
        guard let status = try quotaStatus(), status.isInconsistent else { return }
        let failure = mobyfs_btrfs_start_rescan(descriptor)
        // EINPROGRESS: somebody is. EINVAL: simple quotas never need it.
        if failure != EINPROGRESS, failure != EINVAL { try call("rescan the quotas of '\(path)'", failure) }
    }

    /// Waits until the counts are right.
    ///
    /// - Returns: Whether they are; false if the time is up.
    package func waitForRescan(until deadline: ContinuousClock.Instant) throws -> Bool {
        while true {
            var isRescanning: CInt = 0
            try call("ask for the rescan of '\(path)'", mobyfs_btrfs_is_rescanning(descriptor, &isRescanning))
            if isRescanning == 0 { return true }
            guard ContinuousClock.now < deadline else { return false }
            // The kernel's own call to wait knows no limit.
            usleep(50_000)
        }
    }

    /// Creates a quota group; one that exists is no error.
    package func createGroup(_ group: BtrfsGroup) throws {
        // Subvolumes have theirs, and newer kernels refuse to be asked for one.
        guard try usage(of: group) == nil else { return }
        let failure = mobyfs_btrfs_create_group(descriptor, group.rawValue)
        if failure != EEXIST { try call("create quota group \(group) on '\(path)'", failure) }
    }

    /// Removes a quota group; one that does not exist, or no quotas at all, are no error.
    ///
    /// - Returns: Whether it is gone; false while something counts for it.
    package func removeGroup(_ group: BtrfsGroup) throws -> Bool {
        switch mobyfs_btrfs_remove_group(descriptor, group.rawValue) {
        case 0, ENOENT, ENOTCONN: return true
        case EBUSY: return false
        case let failure:
            try call("remove quota group \(group) on '\(path)'", failure)
            return true
        }
    }

    /// The bytes that a group may refer to; nil if there is no limit, or no group.
    package func limit(of group: BtrfsGroup) throws -> UInt64? {
        guard let item = try quotaItem(.quotaLimit, of: group), item.number(at: 0) & 1 != 0 else { return nil }
        return item.number(at: 8)
    }

    /// Limits the bytes that a group may refer to; nil takes the limit away.
    package func setLimit(of group: BtrfsGroup, to bytes: UInt64?) throws {
        try call(
            "limit quota group \(group) on '\(path)'",
            mobyfs_btrfs_limit_group(descriptor, group.rawValue, bytes ?? UInt64.max))
    }

    /// The bytes that a group referred to at the last commit; nil if there is no group.
    package func usage(of group: BtrfsGroup) throws -> UInt64? {
        try quotaItem(.quotaUsage, of: group)?.number(at: 8)
    }

    /// Whether nothing that a group refers to is referred to from outside, so that it can leave a group at once.
    func isUnshared(_ group: BtrfsGroup) throws -> Bool {
        // struct btrfs_qgroup_info_item: generation, rfer, rfer_cmpr, excl, excl_cmpr.
        guard let item = try quotaItem(.quotaUsage, of: group) else { return true }
        return item.number(at: 8) == item.number(at: 24)
    }

    /// The groups that count for a group of a higher level.
    package func members(of group: BtrfsGroup) throws -> [BtrfsGroup] {
        // Each relation is kept twice, from both ends.
        let relations = try items(of: group.rawValue, .quotaRelation, in: BtrfsTree.quotas) ?? []
        return relations.map { BtrfsGroup(rawValue: $0.offset) }.filter { $0.rawValue >> 48 < group.rawValue >> 48 }
    }

    /// Makes a group count for one of a higher level, or no longer.
    package func assign(_ member: BtrfsGroup, to group: BtrfsGroup, _ isMember: Bool = true) throws {
        var needsRescan: CInt = 0
        let failure = mobyfs_btrfs_assign_group(
            descriptor, member.rawValue, group.rawValue, isMember ? 1 : 0, &needsRescan)
        if failure == (isMember ? EEXIST : ENOENT) { return }
        try call("assign quota group \(member) to \(group) on '\(path)'", failure)
        if needsRescan != 0 { try startRescanIfNeeded() }
    }

    private func quotaItem(_ type: BtrfsTree.Item, of group: BtrfsGroup) throws -> BtrfsItem? {
        try items(of: 0, type, in: BtrfsTree.quotas, offsets: group.rawValue...group.rawValue)?.first
    }
}
