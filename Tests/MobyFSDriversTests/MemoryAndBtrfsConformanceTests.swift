// SPDX-License-Identifier: Apache-2.0

import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

@Suite(.serialized) struct MemoryAndBtrfsConformanceTests {
    @Test(.needs(.btrfs), arguments: DriverCheck.all)
    func btrfs(check: DriverCheck) async throws { try await check(.btrfs) }

    @Test(.needs(.btrfsCountingReferences), arguments: DriverCheck.all)
    func btrfsCountingReferences(check: DriverCheck) async throws { try await check(.btrfsCountingReferences) }

    @Test(.needs(.tmpfs), arguments: DriverCheck.all)
    func tmpfs(check: DriverCheck) async throws { try await check(.tmpfs) }
}

extension DriverFixture {
    /// With simple quotas, switched on by the first volume that has a size.
    static let btrfs = btrfs("btrfs") { _ in }

    /// With the quotas that older kernels have.
    static let btrfsCountingReferences = btrfs("btrfs, counting references") { pool in
        try BtrfsDirectory(pool).enableQuota(countingAll: true)
    }

    private static func btrfs(
        _ name: String, preparing prepare: @escaping @Sendable (FilePath) throws -> Void
    ) -> DriverFixture {
        DriverFixture(
            name, lack: Machine.hasBtrfs ? nil : "needs root, btrfs and mkfs.btrfs", mounting: .never,
            sizes: .enforced(small: "32MiB", large: "96MiB", shrinks: true)
        ) { root in
            let pool = root.appending("pool")
            try await BtrfsPool.mount(image: root.appending("image"), at: pool)
            try prepare(pool)
            return DriverGround(
                drivers: { _ in [BtrfsDriver()] }, options: { _ in ["driver": "btrfs"] },
                tearDown: { BtrfsPool.unmount(pool) })
        }
    }

    static let tmpfs = DriverFixture(
        "tmpfs", lack: Machine.isRoot ? nil : "mounting needs root", mounting: .untilRemoved,
        sizes: .enforced(small: "8MiB", large: "24MiB", shrinks: true), isInPool: true, isLasting: false
    ) { _ in
        DriverGround(drivers: { _ in [TmpfsDriver()] }, options: { _ in ["type": "tmpfs", "device": "tmpfs"] })
    }
}
