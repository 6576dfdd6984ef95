// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage

/// A lock that other processes respect, and other hosts where the file system carries it to them.
///
/// It belongs to the open file, and ends when that is closed by all who have it. Source: flock(2).
package enum FileLock {
    /// How long to wait between two tries, in microseconds.
    private static let interval: UInt32 = 10_000

    /// Locks an open file for its owner alone.
    ///
    /// Blocks. A device or a process that is just letting go of the file may have it for a moment longer.
    ///
    /// - Parameters:
    ///   - descriptor: The file, open for writing, as NFS wants it.
    ///   - path: Its path, for errors.
    ///   - patience: How long to try.
    /// - Returns: Whether the lock was had.
    /// - Throws: ``SystemCallError``.
    static func take(_ descriptor: CInt, named path: FilePath, patience: Duration) throws -> Bool {
        try lock(descriptor, LOCK_EX, named: path, patience: patience)
    }

    private static func lock(
        _ descriptor: CInt, _ kind: CInt, named path: FilePath, patience: Duration
    ) throws -> Bool {
        let end = ContinuousClock.now + patience
        while flock(descriptor, kind | LOCK_NB) != 0 {
            let reason = Errno(rawValue: errno)
            guard [.wouldBlock, .interrupted].contains(reason) else {
                throw SystemCallError("lock '\(path)'", reason)
            }
            guard .now < end else { return false }
            usleep(interval)
        }
        return true
    }

    /// Whether somebody has a file locked; nobody has one that is not there.
    package static func isTaken(_ path: FilePath) throws -> Bool {
        let descriptor = open(path.string, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        if descriptor < 0, [ENOENT, ESTALE].contains(errno) { return false }
        try check(descriptor, "open '\(path)'")
        defer { close(descriptor) }
        // Several may ask at once.
        return try !lock(descriptor, LOCK_SH, named: path, patience: .zero)
    }
}
