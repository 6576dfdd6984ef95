// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSVolumes

/// What mobyfs knows of a type of file system, as mount(8) names it.
///
/// Types that nothing is known of work too, if the host has a `mount.TYPE` for them.
struct MountType: Hashable, Sendable {
    let name: String

    /// Makes sure that it is a name: it becomes part of a program's.
    init(_ name: String) throws(VolumeError) {
        let isName = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
            default: false
            }
        }
        // No file's name is longer.
        guard isName, name.utf8.count < 256, let first = name.first, first != ".", first != "-" else {
            throw VolumeError(
                .invalidArgument,
                "option type='\(name.excerpt())' is not the name of a file system, such as nfs, cifs or ext4")
        }
        guard !Self.windows.contains(name) else {
            throw VolumeError(
                .invalidArgument,
                "option type='\(name)' is a view of the kernel and no storage: volumes cannot be that")
        }
        self.name = name
    }

    /// Whether a program in user space serves it that is started directly: `fuse.sshfs`.
    var fuseProgram: String? {
        if name == "sshfs" { return name }
        return name.hasPrefix("fuse.") && name.count > 5 ? String(name.dropFirst(5)) : nil
    }

    /// Whether a program in user space serves it, be it that another starts that.
    var isFUSE: Bool { fuseProgram != nil || name == "glusterfs" }

    /// Whether it is on a disk of this host, which the kernel mounts by itself.
    var isOnDisk: Bool { Self.disks.contains(name) }
    /// Whether the kernel mounts it by itself and needs no server for it.
    var isLocal: Bool { isOnDisk || Self.virtual.contains(name) }
    var isNFS: Bool { ["nfs", "nfs4"].contains(name) }
    var isSMB: Bool { ["cifs", "smb3"].contains(name) }
    var isSSHFS: Bool { ["fuse.sshfs", "sshfs"].contains(name) }
    var isCeph: Bool { name == "ceph" }

    /// Whether owner and permissions of its files are what mount options say.
    var takesOwnerAsOption: Bool { isSMB || ["vfat", "exfat", "msdos", "ntfs3", "hfsplus"].contains(name) }

    private static let disks: Set<String> = [
        "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs", "jfs", "nilfs2", "vfat", "msdos", "exfat", "ntfs3",
        "iso9660", "udf", "squashfs", "erofs", "cramfs", "romfs", "hfsplus", "minix",
    ]
    private static let virtual: Set<String> = ["overlay", "tmpfs", "ramfs", "hugetlbfs"]
    /// Through some of these the whole host could be got at.
    private static let windows: Set<String> = [
        "proc", "sysfs", "debugfs", "tracefs", "configfs", "devtmpfs", "devpts", "mqueue", "bpf", "securityfs",
        "cgroup", "cgroup2", "pstore", "efivarfs", "binfmt_misc", "fusectl", "autofs", "nsfs", "rpc_pipefs", "nfsd",
        "selinuxfs", "smackfs", "resctrl",
    ]

    /// The Debian package that mounts it.
    var package: String? {
        if let program = fuseProgram { return Self.fusePackages[program] ?? nil }
        return Self.packages[name]
    }

    private static let packages = [
        "nfs": "nfs-common", "nfs4": "nfs-common", "cifs": "cifs-utils", "smb3": "cifs-utils", "sshfs": "sshfs",
        "glusterfs": "glusterfs-client", "ceph": "ceph-common", "davfs": "davfs2", "ntfs": "ntfs-3g",
        "ntfs-3g": "ntfs-3g", "lowntfs-3g": "ntfs-3g", "ocfs2": "ocfs2-tools", "gfs2": "gfs2-utils",
        "zfs": "zfsutils-linux",
        "rclone": "rclone", "mergerfs": "mergerfs", "lustre": "lustre-client-utils", "moosefs": "moosefs-client",
        "ecryptfs": "ecryptfs-utils", "afs": "openafs-client", "9p": nil, "virtiofs": nil,
    ].compactMapValues { $0 }

    /// The programs that may be started as `fuse.NAME`, each with its package if Debian has it.
    ///
    /// Started as root with what a user of the engine wrote: so not just any program.
    private static let fusePackages: [String: String?] = [
        "sshfs": "sshfs", "rclone": "rclone", "gocryptfs": "gocryptfs", "encfs": "encfs", "cryfs": "cryfs",
        "bindfs": "bindfs", "mergerfs": "mergerfs", "unionfs": "unionfs-fuse", "fuse-overlayfs": "fuse-overlayfs",
        "squashfuse": "squashfuse", "s3fs": "s3fs", "curlftpfs": "curlftpfs",
        "ceph-fuse": "ceph-fuse", "ntfs-3g": "ntfs-3g", "lowntfs-3g": "ntfs-3g", "archivemount": "archivemount",
        "fuse2fs": "fuse2fs", "fuseiso": "fuseiso", "dislocker": "dislocker", "ifuse": "ifuse", "jmtpfs": "jmtpfs",
        "cvmfs2": nil, "gcsfuse": nil, "goofys": nil, "juicefs": nil, "mount-s3": nil, "weed": nil, "blobfuse2": nil,
    ]

    /// Whether the program is known to serve a file system, and to do nothing else.
    var isKnownFUSEProgram: Bool { fuseProgram.map { Self.fusePackages[$0] != nil } ?? false }

    /// What the mount table may call it; nil if that is not known.
    var namesInMountTable: Set<String>? {
        if isNFS { return ["nfs", "nfs4"] }
        if isSMB { return ["cifs", "smb3"] }
        if isSSHFS { return ["fuse.sshfs", "fuse"] }
        if name == "glusterfs" { return ["fuse.glusterfs"] }
        return isLocal || isCeph ? [name] : nil
    }
}
