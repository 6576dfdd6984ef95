// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
package import SystemPackage

/// How full a volume is.
package struct VolumeUsage: Hashable, Sendable {
    /// Where the figures are from.
    package enum Source: String, Sendable {
        /// The project quota of its directory.
        case quota
        /// The quota group of its subvolume.
        case group
        /// The file system that is the volume's own, and mounted.
        case fileSystem = "file system"
        /// The blocks that its image takes up in the pool; the file system in it is not mounted.
        case image
        /// All its files, looked at one by one.
        case files
    }

    package var usedBytes: UInt64
    /// How much more can be written; nil if that is not known.
    package var freeBytes: UInt64?
    /// How many files and folders there are; nil if that is not known.
    package var usedInodes: UInt64?
    package var source: Source

    package init(usedBytes: UInt64, freeBytes: UInt64? = nil, usedInodes: UInt64? = nil, source: Source) {
        self.usedBytes = usedBytes
        self.freeBytes = freeBytes
        self.usedInodes = usedInodes
        self.source = source
    }

    /// What the kernel says of the file system at a path.
    ///
    /// Blocks.
    package init(ofFileSystemAt path: FilePath) throws {
        var status = statvfs()
        try check(statvfs(path.string, &status), "statvfs '\(path)'")
        let unit = UInt64(status.f_frsize)
        usedBytes = UInt64(status.f_blocks - status.f_bfree) * unit
        freeBytes = UInt64(status.f_bavail) * unit
        // Some file systems count no inodes, and say that there are none.
        usedInodes = status.f_files > 0 ? UInt64(status.f_files - status.f_ffree) : nil
        source = .fileSystem
    }
}
