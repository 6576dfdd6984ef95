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
    /// In the pool, where that has no quotas.
    static let directory = DriverFixture("directory", mounting: .never) { _ in
        DriverGround(drivers: { [DirectoryDriver(reserved: [$0])] }, options: { _ in ["driver": "directory"] })
    }

    /// An image with this file system in it.
    static func image(_ type: TestFileSystem) -> DriverFixture {
        let sizes: Sizes =
            switch type {
            case .ext4: .enforced(small: "64MiB", large: "192MiB", shrinks: true)
            case .xfs: .enforced(small: "300MiB", large: "600MiB", shrinks: false)
            case .btrfs: .enforced(small: "128MiB", large: "320MiB", shrinks: true)
            }
        return DriverFixture(
            "image with \(type)", lack: lack(fileSystems: [type.rawValue], programs: [type.maker]), sizes: sizes
        ) { _ in
            DriverGround(
                drivers: { _ in [ImageDriver()] },
                options: { _ in ["fs": type.rawValue, "size": type == .xfs ? "300MiB" : "128MiB"] })
        }
    }
}
