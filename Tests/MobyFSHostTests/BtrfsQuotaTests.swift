// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite(.enabled(if: Machine.hasBtrfs, "needs root, btrfs and mkfs.btrfs"), .serialized)
struct BtrfsQuotaTests {
    private static let size: UInt64 = 16 << 20

    /// A subvolume `v` with a group that is limited.
    private func limited(_ pool: FilePath) throws -> BtrfsSubvolume {
        let directory = try BtrfsDirectory(pool)
        try directory.createSubvolume(named: "v")
        let subvolume = try #require(try BtrfsDirectory(pool.appending("v")).subvolume())
        let group = BtrfsGroup.volume(subvolume.id)
        for _ in 0..<2 {
            try directory.createGroup(group)
            try directory.setLimit(of: group, to: Self.size)
            try directory.assign(.subvolume(subvolume.id), to: group)
        }
        return subvolume
    }

    @Test(arguments: [false, true])
    func limitsWhatASubvolumeHolds(countingAll: Bool) async throws {
        try await withBtrfs { pool in
            let directory = try BtrfsDirectory(pool)
            #expect(try directory.quotaStatus() == nil)
            #expect(try directory.limit(of: .subvolume(5)) == nil)
            try directory.enableQuota(countingAll: countingAll)
            try directory.enableQuota(countingAll: countingAll)
            #expect(try directory.waitForRescan(until: .now + .seconds(30)))
            let status = try #require(try directory.quotaStatus())
            #expect(!status.isInconsistent)
            if countingAll { #expect(!status.isSimple) }

            let subvolume = try limited(pool)
            #expect(status.counts(subvolume))
            let group = BtrfsGroup.volume(subvolume.id)
            #expect(try directory.limit(of: group) == Self.size)
            #expect(try directory.members(of: group) == [.subvolume(subvolume.id)])

            let filled = try pool.appending("v/file").writeUntilRefused()
            #expect(filled.reason == Errno(rawValue: EDQUOT))
            #expect(filled.bytes <= Int(Self.size) && filled.bytes > Int(Self.size) / 2)
            try directory.commit()
            let usage = try #require(try directory.usage(of: group))
            #expect(usage <= Self.size && usage > Self.size / 2)

            try directory.setLimit(of: group, to: nil)
            #expect(try directory.limit(of: group) == nil)
            #expect(try pool.appending("v/more").writeUntilRefused(atMost: 1 << 20).reason == nil)
        }
    }

    /// Any process may make subvolumes; they must be no way around the limit.
    @Test(.enabled(if: Machine.hasSimpleQuotas, "needs simple quotas: Linux 6.7"))
    func simpleQuotasCountSubvolumesThatAreMadeInside() async throws {
        try await withBtrfs { pool in
            let directory = try BtrfsDirectory(pool)
            try directory.enableQuota(countingAll: false)
            let subvolume = try limited(pool)
            try BtrfsDirectory(pool.appending("v")).createSubvolume(named: "nested")
            let filled = try pool.appending("v/nested/file").writeUntilRefused()
            #expect(filled.reason == Errno(rawValue: EDQUOT) && filled.bytes <= Int(Self.size))
            #expect(try directory.members(of: .volume(subvolume.id)).count == 2)
        }
    }

    /// Of what was there before, simple quotas know nothing.
    @Test(.enabled(if: Machine.hasSimpleQuotas, "needs simple quotas: Linux 6.7"))
    func tellsWhatSimpleQuotasDoNotCount() async throws {
        try await withBtrfs { pool in
            let directory = try BtrfsDirectory(pool)
            try directory.createSubvolume(named: "old")
            try directory.commit()
            try directory.enableQuota(countingAll: false)
            try directory.createSubvolume(named: "new")
            let status = try #require(try directory.quotaStatus())
            let old = try #require(try BtrfsDirectory(pool.appending("old")).subvolume())
            let new = try #require(try BtrfsDirectory(pool.appending("new")).subvolume())
            #expect(!status.counts(old) && status.counts(new), "\(status) \(old) \(new)")
        }
    }
}
