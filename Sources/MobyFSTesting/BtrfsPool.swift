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

/// Runs `body` with a fresh btrfs file system, in a file on a loop device; it is gone afterwards, pass or fail.
package func withBtrfs<Result>(
    options: String = "loop", isolation: isolated (any Actor)? = #isolation, _ body: (FilePath) async throws -> Result
) async throws -> Result {
    try await withTemporaryDirectory { root in
        let (image, pool) = (root.appending("image"), root.appending("pool"))
        try image.write("")
        try check(truncate(image.string, 512 << 20), "truncate '\(image)'")
        try Directories.create(pool, mode: 0o755)
        let deadline = ContinuousClock.now + .seconds(60)
        try await HelperProgram("mkfs.btrfs", package: "btrfs-progs").run(["-q", image.string], until: deadline)
        try await HelperProgram("mount", package: "mount").run(
            ["-o", options, image.string, pool.string], until: deadline)
        // Whatever the test has left open.
        defer { umount2(pool.string, CInt(MNT_DETACH)) }
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
