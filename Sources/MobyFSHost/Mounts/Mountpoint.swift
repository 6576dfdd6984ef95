// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// A directory that exists to be mounted on.
///
/// Nobody can write into it while nothing is mounted there: its mode is 0, and where the file system knows the flag it
/// is immutable, which stops even root. What is written there would be hidden by the next mount.
package struct Mountpoint: Hashable, Sendable {
    package let path: FilePath

    package init(_ path: FilePath) {
        self.path = path
    }

    /// Makes the directory, and its parents if need be.
    ///
    /// Left alone if something is mounted there. Blocks.
    ///
    /// - Throws: ``SystemCallError``, with `directoryNotEmpty` if there is something in it.
    package func prepare() throws {
        guard try Mounts.entry(at: path) == nil else { return }
        try Directories.create(path.removingLastComponent(), mode: 0o711, isDurable: false)
        if mkdir(path.string, 0) != 0, errno != EEXIST {
            throw SystemCallError("mkdir '\(path)'", Errno(rawValue: errno))
        }
        let descriptor = try open()
        defer { close(descriptor) }
        guard try Directories.entries(of: path).isEmpty else {
            throw SystemCallError(
                "mount at '\(path)': something was written there while nothing was mounted; move it away",
                .directoryNotEmpty)
        }
        var status = stat()
        try check(fstat(descriptor, &status), "stat '\(path)'")
        let isRoot = geteuid() == 0
        if status.st_mode & 0o7777 != 0 || isRoot && status.st_uid != 0 {
            setImmutable(false, descriptor)
            if isRoot { try check(fchown(descriptor, 0, 0), "chown '\(path)'") }
            try check(fchmod(descriptor, 0), "chmod '\(path)'")
        }
        setImmutable(true, descriptor)
    }

    /// Deletes the directory; fine if it is not there.
    ///
    /// Blocks.
    ///
    /// - Throws: ``SystemCallError``, with `resourceBusy` if something is mounted there.
    package func remove() throws {
        guard try Mounts.entry(at: path) == nil else { throw SystemCallError("rmdir '\(path)'", .resourceBusy) }
        var status = stat()
        guard lstat(path.string, &status) == 0 else {
            guard errno == ENOENT else { throw SystemCallError("stat '\(path)'", Errno(rawValue: errno)) }
            return
        }
        let descriptor = try open()
        setImmutable(false, descriptor)
        close(descriptor)
        try check(rmdir(path.string), "rmdir '\(path)'")
    }

    private func open() throws -> CInt {
        try check(
            Glibc.open(path.string, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "open '\(path)'")
    }

    /// Best effort: file systems that have no such flag are many, and the mode is left.
    private func setImmutable(_ isImmutable: Bool, _ descriptor: CInt) {
        _ = mobyfs_set_immutable(descriptor, isImmutable ? 1 : 0)
    }
}
