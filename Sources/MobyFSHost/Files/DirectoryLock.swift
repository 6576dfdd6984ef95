// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage

/// A directory that one process at a time may work with, or several that know of each other.
///
/// The lock is on the open directory itself and needs no file in it, so it works on a read-only file system
/// too, and ends with the process however that ends. Source: flock(2).
package final class DirectoryLock: Sendable {
    /// Another process has the lock.
    package struct Held: Error {
        package let path: FilePath
        /// Who, if the kernel says.
        package let processID: Int32?
    }

    private let descriptor: CInt

    /// Takes the lock.
    ///
    /// - Parameters:
    ///   - path: The directory.
    ///   - isShared: Whether others may have it that share it too.
    /// - Throws: ``Held`` if another process has it.
    package init(_ path: FilePath, isShared: Bool = false) throws {
        descriptor = try check(open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open '\(path)'")
        guard flock(descriptor, (isShared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0 else { return }
        let reason = Errno(rawValue: errno)
        // What is made whole closes the directory when it goes, here as well.
        let holder = Self.holder(of: descriptor)
        guard reason == .wouldBlock else { throw SystemCallError("lock '\(path)'", reason) }
        throw Held(path: path, processID: holder)
    }

    deinit {
        close(descriptor)
    }

    /// Searches /proc/locks: `1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF`.
    private static func holder(of descriptor: CInt) -> Int32? {
        var status = stat()
        // Only a help for the message: without it the message names no process.
        guard fstat(descriptor, &status) == 0, let bytes = try? DurableFile.read("/proc/locks", limit: 1 << 24)
        else { return nil }
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
            if fields.count > 5, fields[1] == "FLOCK", fields[5].hasSuffix(":\(status.st_ino)") {
                return Int32(fields[4])
            }
        }
        return nil
    }
}
