// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// A file that grows piece by piece.
package enum AppendedFile {
    /// Adds bytes to a file that is there.
    ///
    /// - Parameters:
    ///   - bytes: What to add, in one write.
    ///   - path: The file.
    ///   - limit: The size from which nothing is added any more.
    ///   - isInMemoryOnly: Whether nothing is added to a file on a disk, which might have to be waited for.
    /// - Returns: Whether all of it was added. If not, nothing was, or a part of it where the disk is full.
    package static func append(
        _ bytes: [UInt8], to path: FilePath, upTo limit: Int, inMemoryOnly isInMemoryOnly: Bool = false
    ) -> Bool {
        let descriptor = open(path.string, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= limit,
            !isInMemoryOnly || mobyfs_is_tmpfs(descriptor) == 1
        else { return false }
        return bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } == bytes.count
    }
}
