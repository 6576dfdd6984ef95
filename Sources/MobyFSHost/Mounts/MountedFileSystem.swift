// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// A mounted ext4, xfs or btrfs that is on one device.
///
/// All calls block.
package struct MountedFileSystem: Sendable {
    package let type: String
    package let mountpoint: FilePath
    package let device: FilePath

    package init(type: String, at mountpoint: FilePath, from device: FilePath) {
        self.type = type
        self.mountpoint = mountpoint
        self.device = device
    }

    /// How much of its device it takes; statvfs(3) tells less, for it leaves out what the file system needs itself.
    package var bytes: UInt64 {
        get throws {
            switch type {
            case "ext4": return try ext4Bytes()
            case "xfs": return try ask("XFS_IOC_FSGEOMETRY_V1", mobyfs_xfs_bytes)
            case "btrfs": return try ask("BTRFS_IOC_DEV_INFO", mobyfs_btrfs_bytes)
            default: throw SystemCallError("ask \(type) for its size", .notSupported)
            }
        }
    }

    private func ask(_ call: String, _ function: (CInt, UnsafeMutablePointer<UInt64>) -> CInt) throws -> UInt64 {
        try opened { directory in
            var bytes: UInt64 = 0
            let reason = function(directory, &bytes)
            guard reason == 0 else { throw SystemCallError("\(call) '\(mountpoint)'", Errno(rawValue: reason)) }
            return bytes
        }
    }

    /// Reads the superblock, which a mounted ext4 keeps in the cache of its device.
    ///
    /// Source: struct ext4_super_block in fs/ext4/ext4.h.
    private func ext4Bytes() throws -> UInt64 {
        let descriptor = try check(open(device.string, O_RDONLY | O_CLOEXEC), "open '\(device)'")
        defer { close(descriptor) }
        var block = [UInt8](repeating: 0, count: 1024)
        let count = try check(pread(descriptor, &block, block.count, 1024), "read '\(device)'")
        func number(at offset: Int, count: Int = 4) -> UInt64 {
            block[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        let scale = number(at: 0x18)
        guard count == block.count, number(at: 0x38, count: 2) == 0xef53, scale <= 6 else {
            throw SystemCallError("read the superblock of '\(device)'", .invalidArgument)
        }
        let has64Bits = number(at: 0x60) & 0x80 != 0
        let blocks = number(at: 4) | (has64Bits ? number(at: 0x150) << 32 : 0)
        let (bytes, isMore) = blocks.multipliedReportingOverflow(by: 1024 << scale)
        guard !isMore else { throw SystemCallError("read the superblock of '\(device)'", .invalidArgument) }
        return bytes
    }

    /// Sees to it that nothing will be written beyond its end any more, whatever an attempt to grow it has left.
    ///
    /// Only ext4 logs blocks that are not yet its own; the device may not end before them until they are written.
    package func forgetGrowth() throws {
        guard type == "ext4" else { return }
        try opened { directory in
            let reason = mobyfs_ext4_checkpoint(directory)
            guard reason == 0 else {
                throw SystemCallError("EXT4_IOC_CHECKPOINT '\(mountpoint)'", Errno(rawValue: reason))
            }
        }
    }

    /// How much is written to it, with what it needs itself.
    package var usedBytes: UInt64 {
        get throws {
            var status = statvfs()
            try check(statvfs(mountpoint.string, &status), "statvfs '\(mountpoint)'")
            return UInt64(status.f_blocks - status.f_bfree) * UInt64(status.f_frsize)
        }
    }

    private func opened<Result>(_ body: (CInt) throws -> Result) throws -> Result {
        let descriptor = try check(
            open(mountpoint.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open '\(mountpoint)'")
        defer { close(descriptor) }
        return try body(descriptor)
    }
}
