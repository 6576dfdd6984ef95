// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSVolumes
import SystemPackage

/// The file system in an image.
enum ImageFileSystem: String, CaseIterable, Sendable {
    case ext4, xfs, btrfs

    /// The one that options ask for.
    init(_ options: VolumeOptions) {
        self = options["fs"].flatMap { ImageFileSystem(rawValue: $0) } ?? .ext4
    }

    /// The smallest image that can have one.
    ///
    /// ext4 has no journal in fewer than 2048 blocks; the others are what mkfs.xfs 6.1 and mkfs.btrfs 6.2 take.
    var minimum: ByteSize {
        let mebibytes: UInt64 =
            switch self {
            case .ext4: 8
            case .xfs: 300
            case .btrfs: 109
            }
        return ByteSize(bytes: mebibytes << 20)
    }

    /// The smallest size that one can be given later: fs/btrfs/ioctl.c has its own idea.
    var resizeMinimum: ByteSize { self == .btrfs ? ByteSize(bytes: 256 << 20) : minimum }

    /// The size of a block of all three, of which an image has a whole number.
    static let blockBytes: UInt64 = 4096

    /// The Debian package that has the programs.
    private var package: String {
        switch self {
        case .ext4: "e2fsprogs"
        case .xfs: "xfsprogs"
        case .btrfs: "btrfs-progs"
        }
    }

    /// The program that makes one.
    var maker: HelperProgram { HelperProgram("mkfs.\(rawValue)", package: package) }

    /// The program that changes its size.
    var resizer: HelperProgram {
        switch self {
        case .ext4: HelperProgram("resize2fs", package: package)
        case .xfs: HelperProgram("xfs_growfs", package: package)
        case .btrfs: HelperProgram("btrfs", package: package)
        }
    }

    /// The program that checks an ext4 file system.
    static let checker = HelperProgram("e2fsck", package: ImageFileSystem.ext4.package)

    /// The program that gives a btrfs file system another identity.
    static let identifier = HelperProgram("btrfstune", package: ImageFileSystem.btrfs.package)

    /// What ``maker`` is told.
    ///
    /// A new file reads as zeros, so nothing needs to be zeroed. What has all its blocks must not lose any: no
    /// discards there. Blocks and sectors of 4096 bytes go with disks of any kind below.
    func makeArguments(_ image: FilePath, isSparse: Bool) -> [String] {
        switch self {
        case .ext4:
            let discard = isSparse ? "" : ",nodiscard"
            // No blocks for root alone: who asks for a size means it for whoever runs in the container.
            return [
                "-q", "-F", "-b", "\(Self.blockBytes)", "-m", "0",
                "-E", "lazy_itable_init=1,lazy_journal_init=1\(discard)", image.string,
            ]
        case .xfs:
            return ["-q", "-s", "size=\(Self.blockBytes)"] + (isSparse ? [] : ["-K"]) + [image.string]
        case .btrfs:
            return ["-q"] + (isSparse ? [] : ["-K"]) + [image.string]
        }
    }

    /// How it is mounted.
    ///
    /// With discard what is deleted inside returns to the pool at once; without, an image keeps all its blocks.
    func mountOptions(isSparse: Bool) -> [Mounts.Option] {
        switch self {
        case .ext4:
            // noinit_itable: the inode tables are zero from the start, see makeArguments.
            [("errors", "remount-ro"), ("noinit_itable", nil), (isSparse ? "discard" : "nodiscard", nil)]
        case .xfs:
            // nouuid: a copy of an image has the UUID of the first. That no file is mounted twice is up to LoopDevice.
            [("nouuid", nil), (isSparse ? "discard" : "nodiscard", nil)]
        case .btrfs:
            // Asynchronous discards come minutes later, and not at all if the volume is unmounted before.
            [isSparse ? ("discard", "sync") : ("nodiscard", nil)]
        }
    }

    /// Whether the kernel lets this process grow it while it is mounted.
    ///
    /// Blocks.
    var canGrowMounted: Bool {
        // fs/ext4/resize.c; the others want CAP_SYS_ADMIN, as mounting does.
        self != .ext4 || Capability.systemResource.isEffective
    }

    /// Lets a mounted file system take all of its device.
    ///
    /// Does nothing where it does already, so that it may be asked again after a crash.
    func grow(on device: LoopDevice, at mountpoint: FilePath, until deadline: ContinuousClock.Instant) async throws {
        let arguments =
            switch self {
            case .ext4: [device.path.string]
            case .xfs: ["-d", mountpoint.string]
            case .btrfs: ["filesystem", "resize", "max", mountpoint.string]
            }
        try await resizer.run(arguments, until: deadline)
    }

    /// How to repair one, for people.
    func repair(of image: FilePath) -> String {
        switch self {
        case .ext4: "e2fsck -f '\(image)'"
        case .xfs: "xfs_repair -f '\(image)'"
        case .btrfs: "btrfs check '\(image)'"
        }
    }
}

extension ImageFileSystem: CustomStringConvertible {
    var description: String { rawValue }
}
