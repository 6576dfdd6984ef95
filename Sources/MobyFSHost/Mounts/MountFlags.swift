// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc

/// The options of mount(8) that mean the same for every file system, in the kernel's terms.
///
/// Source: mount(8), FILESYSTEM-INDEPENDENT MOUNT OPTIONS; mount_setattr(2); fs/fs_context.c of Linux.
package struct MountFlags: Hashable, Sendable {
    /// `MOUNT_ATTR_*`: of this mount.
    package private(set) var attributes: UInt32 = 0
    /// Flags of the file system itself, as fsconfig(2) takes them.
    package private(set) var superblock: [String] = []
    /// `MS_PRIVATE` and the like, set once it is mounted.
    package private(set) var propagation: UInt?

    package init() {}

    /// The attributes in the terms of mount(2).
    var classic: UInt {
        let pairs: [(UInt32, UInt)] = [
            (Self.readOnly, UInt(MS_RDONLY)), (Self.noSetID, UInt(MS_NOSUID)),
            (Self.noDevices, UInt(MS_NODEV)), (Self.noExecution, UInt(MS_NOEXEC)),
            (Self.noAccessTime, UInt(MS_NOATIME)), (Self.strictAccessTime, UInt(MS_STRICTATIME)),
            (Self.noDirectoryAccessTime, UInt(MS_NODIRATIME)), (Self.noLinks, 256),  // MS_NOSYMFOLLOW
        ]
        return pairs.reduce(0) { attributes & $1.0 == 0 ? $0 : $0 | $1.1 }
    }

    /// Takes note of an option.
    ///
    /// - Returns: Whether it is one of these; else it is for the file system.
    package mutating func take(_ key: String, _ value: String? = nil) -> Bool {
        if Self.isForPrograms(key) { return true }
        guard value == nil || value == "" else { return false }
        if let (set, clear) = Self.attributeNames[key] { attributes = attributes & ~clear | set }
        if Self.superblockNames.contains(key) {
            superblock.append(key)
            return true
        }
        if let flag = Self.propagationNames[key] {
            propagation = UInt(flag)
            return true
        }
        return Self.attributeNames[key] != nil
    }

    /// Whether mount(8) and systemd read an option and the kernel never sees it.
    package static func isForPrograms(_ key: String) -> Bool {
        programNames.contains(key) || key.hasPrefix("x-") || key.hasPrefix("X-")
    }

    /// All of them, for whoever looks for a word that was mistyped.
    package static let names: [String] = {
        var names = Array(attributeNames.keys)
        names += superblockNames.subtracting(names)
        names += propagationNames.keys
        return names + programNames
    }()

    private static let attributeNames: [String: (set: UInt32, clear: UInt32)] = [
        "ro": (readOnly, 0), "rw": (0, readOnly),
        "nosuid": (noSetID, 0), "suid": (0, noSetID),
        "nodev": (noDevices, 0), "dev": (0, noDevices),
        "noexec": (noExecution, 0), "exec": (0, noExecution),
        "noatime": (noAccessTime, strictAccessTime), "atime": (0, noAccessTime),
        "strictatime": (strictAccessTime, noAccessTime), "nostrictatime": (0, strictAccessTime),
        "relatime": (0, noAccessTime | strictAccessTime), "norelatime": (0, 0),
        "nodiratime": (noDirectoryAccessTime, 0), "diratime": (0, noDirectoryAccessTime),
        "nosymfollow": (noLinks, 0), "symfollow": (0, noLinks),
    ]
    private static let readOnly = UInt32(MOBYFS_MOUNT_RDONLY.rawValue)
    private static let noSetID = UInt32(MOBYFS_MOUNT_NOSUID.rawValue)
    private static let noDevices = UInt32(MOBYFS_MOUNT_NODEV.rawValue)
    private static let noExecution = UInt32(MOBYFS_MOUNT_NOEXEC.rawValue)
    private static let noAccessTime = UInt32(MOBYFS_MOUNT_NOATIME.rawValue)
    private static let strictAccessTime = UInt32(MOBYFS_MOUNT_STRICTATIME.rawValue)
    private static let noDirectoryAccessTime = UInt32(MOBYFS_MOUNT_NODIRATIME.rawValue)
    private static let noLinks = UInt32(MOBYFS_MOUNT_NOSYMFOLLOW.rawValue)
    private static let superblockNames: Set<String> = [
        "ro", "rw", "sync", "async", "dirsync", "lazytime", "nolazytime", "mand", "nomand",
    ]
    private static let propagationNames: [String: CInt] = [
        "private": CInt(MS_PRIVATE), "rprivate": CInt(MS_PRIVATE | MS_REC),
        "shared": CInt(MS_SHARED), "rshared": CInt(MS_SHARED | MS_REC),
        "slave": CInt(MS_SLAVE), "rslave": CInt(MS_SLAVE | MS_REC),
        "unbindable": CInt(MS_UNBINDABLE), "runbindable": CInt(MS_UNBINDABLE | MS_REC),
    ]
    private static let programNames: Set<String> = [
        "defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group", "_netdev", "nofail", "comment",
    ]
}
