// SPDX-License-Identifier: Apache-2.0

import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage

/// A file system that lives in a file.
enum TestFileSystem: String {
    case ext4, xfs, btrfs

    var maker: HelperProgram {
        switch self {
        case .ext4: HelperProgram("mkfs.ext4", package: "e2fsprogs")
        case .xfs: HelperProgram("mkfs.xfs", package: "xfsprogs")
        case .btrfs: HelperProgram("mkfs.btrfs", package: "btrfs-progs")
        }
    }
}

extension DriverFixture {
    static func drivers(_ pool: FilePath) -> [any VolumeDriver] { BuiltInDrivers.all(reserved: [pool]) }

    /// In the pool, where that has no quotas.
    static let directory = DriverFixture("directory", mounting: .never) { _ in
        DriverGround(drivers: drivers, options: { _ in ["driver": "directory"] })
    }

    /// An image with this file system in it.
    static func image(_ type: TestFileSystem) -> DriverFixture {
        let sizes: Sizes =
            switch type {
            case .ext4: .enforced(small: "64MiB", large: "192MiB", shrinks: true)
            case .xfs: .enforced(small: "300MiB", large: "600MiB", shrinks: false)
            case .btrfs: .enforced(small: "256MiB", large: "512MiB", shrinks: true)
            }
        let obstacle = "ext4 grows in use for CAP_SYS_RESOURCE alone, which this machine does not give"
        return DriverFixture(
            "image", with: type.rawValue, lack: lack(fileSystems: [type.rawValue], programs: [type.maker]),
            sizes: sizes,
            obstacleToGrowth: type == .ext4 && !Machine.hasSystemResource ? obstacle : nil
        ) { _ in
            DriverGround(
                drivers: drivers, options: { _ in ["fs": type.rawValue, "size": type == .xfs ? "300MiB" : "128MiB"] })
        }
    }

    /// A pool on btrfs, with simple quotas, switched on by the first volume that has a size.
    static let btrfs = btrfs(with: nil) { _ in }

    /// With the quotas that older kernels have.
    static let btrfsCountingReferences = btrfs(with: "quotas that count references") { pool in
        try BtrfsDirectory(pool).enableQuota(countingAll: true)
    }

    private static func btrfs(
        with quotas: String?, preparing prepare: @escaping @Sendable (FilePath) throws -> Void
    ) -> DriverFixture {
        DriverFixture(
            "btrfs", with: quotas, lack: Machine.hasBtrfs ? nil : "needs root, btrfs and mkfs.btrfs", mounting: .never,
            sizes: .enforced(small: "32MiB", large: "96MiB", shrinks: true)
        ) { root in
            let pool = root.appending("pool")
            try await BtrfsPool.mount(image: root.appending("image"), at: pool)
            try prepare(pool)
            return DriverGround(
                drivers: drivers, options: { _ in ["driver": "btrfs"] },
                leftovers: { try await subvolumes(of: pool) }, tearDown: { BtrfsPool.unmount(pool) })
        }
    }

    private static func subvolumes(of pool: FilePath) async throws -> Set<String> {
        let program = HelperProgram("btrfs", package: "btrfs-progs")
        let list = try await program.run(["subvolume", "list", pool.string], until: .now + .seconds(30))
        return Set(list.split(separator: "\n").map(String.init))
    }

    static let tmpfs = DriverFixture(
        "tmpfs", lack: lack(), mounting: .untilRemoved,
        sizes: .enforced(small: "8MiB", large: "24MiB", shrinks: true), isLasting: false
    ) { _ in
        DriverGround(drivers: drivers, options: { _ in ["type": "tmpfs", "device": "tmpfs"] })
    }
}
