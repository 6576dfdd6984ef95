// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import SystemPackage

/// What is mounted for a volume that is not there.
struct MountCheck: HostCheck {
    private let volumes: FilePath
    private let mounts: FilePath

    init(_ configuration: Configuration) {
        volumes = configuration.dataDirectory.appending("volumes")
        mounts = configuration.runtimeDirectory.appending("mounts")
    }

    func findings() -> [FindingDetails] {
        // Without its folder, nothing can be said of any volume; drafts have theirs in none.
        guard Directories.isRealDirectory(volumes), let table = try? MountTable() else { return [] }
        return table.entries.compactMap { entry in
            var below = entry.mountpoint
            guard below.removePrefix(mounts), let name = below.components.first?.string, !name.hasPrefix("draft-"),
                access(volumes.appending(name).string, F_OK) != 0, errno == ENOENT
            else { return nil }
            return finding(
                "mount", entry.mountpoint.string, "it is mounted for a volume '\(name)', which is not there",
                advice: "restart mobyfs, which unmounts it, once no container uses it")
        }
    }
}
