// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
import SystemPackage

extension BtrfsDirectory {
    /// The algorithm that new files in the directory are compressed with; nil leaves it to the mount.
    package func compression() throws -> String? {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = mobyfs_btrfs_compression(descriptor, &buffer, buffer.count)
        if count == -ENODATA { return nil }
        try call("read the compression of '\(path)'", count < 0 ? -count : 0)
        return String(decoding: buffer[..<Int(count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Sets the algorithm for new files in the directory: `zlib`, `lzo`, `zstd` or `none`.
    ///
    /// - Throws: ``SystemCallError``, with `invalidArgument` for an algorithm that the kernel has not, and for a
    ///   directory without copy-on-write.
    package func setCompression(_ algorithm: String) throws {
        try call(
            "set compression '\(algorithm)' on '\(path)'", mobyfs_btrfs_set_compression(descriptor, algorithm))
    }

    /// Whether new files in the directory are overwritten in place.
    package func isWithoutCopyOnWrite() throws -> Bool {
        var isNoCOW: CInt = 0
        try call("read the flags of '\(path)'", mobyfs_is_nocow(descriptor, &isNoCOW))
        return isNoCOW != 0
    }

    /// Makes new files in the directory be overwritten in place: without checksums and compression.
    package func disableCopyOnWrite() throws {
        try call("switch off copy-on-write on '\(path)'", mobyfs_set_nocow(descriptor))
    }

    /// Makes the directory's own attributes survive a power cut.
    package func synchronize() throws {
        try check(fsync(descriptor), "sync '\(path)'")
    }
}
