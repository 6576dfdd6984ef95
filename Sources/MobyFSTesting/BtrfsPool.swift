// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
package import SystemPackage

extension Machine {
    /// Whether a test can have a btrfs file system of its own.
    package static let hasBtrfs =
        isRoot && HelperProgram("mkfs.btrfs", package: "btrfs-progs").locate() != nil && Mounts.knows(type: "btrfs")

    /// Whether btrfs has simple quotas: since Linux 6.7.
    package static let hasSimpleQuotas = hasBtrfs && FilePath("/sys/fs/btrfs/features/simple_quota").exists
}

/// A btrfs file system in a file on a loop device.
package enum BtrfsPool {
    /// Makes one and mounts it; `umount` alone takes the loop device down again.
    package static func mount(image: FilePath, at path: FilePath) async throws {
        try image.write("")
        try check(truncate(image.string, 512 << 20), "truncate '\(image)'")
        try Directories.create(path, mode: 0o755)
        let deadline = ContinuousClock.now + .seconds(60)
        try await HelperProgram("mkfs.btrfs", package: "btrfs-progs")
            .runBesideLoopDevices(["-q", image.string], until: deadline)
        try await HelperProgram("mount", package: "mount").run(
            ["-o", "loop", image.string, path.string], until: deadline)
    }

    package static func unmount(_ path: FilePath) {
        // Whatever the test has left open.
        umount2(path.string, CInt(MNT_DETACH))
    }
}

/// Runs `body` with a fresh btrfs file system that is gone afterwards, pass or fail.
package func withBtrfs<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: (FilePath) async throws -> Result
) async throws -> Result {
    try await withTemporaryDirectory { root in
        let pool = root.appending("pool")
        try await BtrfsPool.mount(image: root.appending("image"), at: pool)
        defer { BtrfsPool.unmount(pool) }
        return try await body(pool)
    }
}

extension FilePath {
    /// Writes bytes that do not compress to the file, from its start, until there is no more room.
    ///
    /// - Returns: How many were written, and why not all.
    package func writeUntilRefused(atMost limit: Int = 128 << 20) throws -> (bytes: Int, reason: Errno?) {
        let descriptor = open(string, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return (0, Errno(rawValue: errno)) }
        defer { close(descriptor) }
        var generator = SystemRandomNumberGenerator()
        let chunk = (0..<(1 << 17)).map { _ in generator.next() }
        var written = 0
        while written < limit {
            let count = chunk.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return (written, Errno(rawValue: errno)) }
            written += count
        }
        // What the cache took may be refused only here.
        return (written, fsync(descriptor) == 0 ? nil : Errno(rawValue: errno))
    }
}
