// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// A file that grows piece by piece, open.
package final class AppendedFile: Sendable {
    private let descriptor: CInt
    /// Whether it is on a tmpfs, so that no disk is ever waited for.
    package let isInMemory: Bool

    /// Opens a file that is there; nil if that cannot be, or it is no regular file.
    package init?(_ path: FilePath) {
        descriptor = open(path.string, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        isInMemory = mobyfs_is_tmpfs(descriptor) == 1
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// Adds bytes, unless the file was deleted since it was opened, or another came in its place.
    ///
    /// - Parameters:
    ///   - bytes: What to add, in one write.
    ///   - limit: The size from which nothing is added any more.
    /// - Returns: Whether all of it was added. If not, nothing was, or a part of it where the disk is full.
    package func append(_ bytes: [UInt8], upTo limit: Int) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_nlink > 0, status.st_size <= limit else { return false }
        return bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } == bytes.count
    }
}
