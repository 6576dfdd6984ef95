// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// Renaming, exchanging and unlinking.
package enum Files {
    package static func unlink(_ path: FilePath) throws {
        try check(Glibc.unlink(path.string), "unlink '\(path)'")
    }

    /// Whether there is a file, links followed, and no directory, device or pipe.
    package static func isRegular(_ path: FilePath) throws -> Bool {
        var status = stat()
        try check(stat(path.string, &status), "stat '\(path)'")
        return status.st_mode & S_IFMT == S_IFREG
    }

    /// Whether there is a symbolic link, wherever it leads.
    package static func isLink(_ path: FilePath) -> Bool {
        var status = stat()
        return lstat(path.string, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    /// Whether there is a directory.
    package static func isDirectory(_ path: FilePath, followingLinks: Bool) throws -> Bool {
        var status = stat()
        try check(followingLinks ? stat(path.string, &status) : lstat(path.string, &status), "stat '\(path)'")
        return status.st_mode & S_IFMT == S_IFDIR
    }

    /// What a symbolic link says, one of the kernel's in /proc included; nil if it cannot be read.
    package static func target(ofLink path: String) -> String? {
        withUnsafeTemporaryAllocation(byteCount: Int(PATH_MAX), alignment: 1) { buffer in
            guard let start = buffer.baseAddress else { return nil }
            let count = readlink(path, start, buffer.count)
            return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
        }
    }

    /// Renames a file or directory; an entry that is in the way of a directory must be an empty directory.
    package static func rename(_ path: FilePath, to other: FilePath) throws {
        try check(Glibc.rename(path.string, other.string), "rename '\(path)' to '\(other)'")
    }

    /// Lets two names, of files or directories, change places in one step.
    package static func exchange(_ path: FilePath, with other: FilePath) throws {
        let reason = mobyfs_exchange(path.string, other.string)
        guard reason == 0 else {
            throw SystemCallError("exchange '\(path)' and '\(other)'", Errno(rawValue: reason))
        }
    }
}
