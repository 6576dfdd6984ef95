// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import SystemPackage

/// What is mounted for a volume that is not there.
struct MountCheck: HostCheck {
    private let pool: FilePath
    private let mounts: FilePath
    private let mountUnits: MountUnits

    init(_ configuration: Configuration, mountUnits: MountUnits = MountUnits()) {
        pool = configuration.dataDirectory
        mounts = configuration.runtimeDirectory.appending("mounts")
        self.mountUnits = mountUnits
    }

    func findings() -> [FindingDetails] {
        (try? MountTable()).map { findings(in: $0) } ?? []
    }

    func findings(in table: MountTable) -> [FindingDetails] {
        let volumes = pool.appending("volumes")
        // Where the pool is away, nothing can be said of any volume; a folder that is empty may be that below its disk.
        guard mountUnits.missing(for: pool, in: table) == nil, Directories.isRealDirectory(volumes),
            (try? Directories.entries(of: volumes))?.isEmpty == false
        else { return [] }
        // Drafts have their folders elsewhere.
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
