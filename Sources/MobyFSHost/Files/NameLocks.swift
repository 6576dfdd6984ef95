// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// Locks by name, between all hosts that have a file.
///
/// Each name is one byte of the file, far beyond its end: nothing is ever written to it, and none has to be deleted when
/// its name is used no more. All calls block for as long as the file system does, and do not wait for others.
/// Source: F_OFD_SETLK in fcntl(2).
package struct NameLocks: Sendable {
    private let path: FilePath

    /// - Parameter path: The file; made if it is missing.
    package init(_ path: FilePath) {
        self.path = path
    }

    /// A lock that is had until ``giveBack()``, or the end of this process.
    package struct Lock: Sendable {
        fileprivate let descriptor: CInt

        /// Gives the lock back.
        package func giveBack() {
            close(descriptor)
        }
    }

    /// Takes the lock of a name.
    ///
    /// - Returns: Nil if somebody has it.
    package func take(_ name: String) throws -> Lock? {
        let descriptor = try check(
            open(path.string, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600), "open '\(path)'")
        switch mobyfs_lock_byte(descriptor, Self.place(of: name)) {
        case 0: return Lock(descriptor: descriptor)
        case EAGAIN, EACCES:
            close(descriptor)
            return nil
        case let reason:
            close(descriptor)
            throw SystemCallError("lock '\(path)'", Errno(rawValue: reason))
        }
    }

    /// Two names at one place would only wait for each other.
    private static func place(of name: String) -> Int64 { Int64(name.checksum >> 2) }
}
