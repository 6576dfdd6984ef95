// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage

/// A lock on a file that this host has until it gives it back or dies, whatever becomes of this process.
///
/// The open file is that of a loop device, on which nobody reads or writes: the kernel keeps it, and the lock with it.
/// All calls block.
package struct LastingLock: Sendable {
    package let path: FilePath
    /// Which file it is, whatever happens to the path.
    private let file: FileID

    private init(path: FilePath, file: FileID) {
        self.path = path
        self.file = file
    }

    /// Takes a lock that nobody has, on a file that is there.
    ///
    /// - Returns: Nil if somebody has it who is not this host.
    /// - Throws: ``SystemCallError``, or ``LoopDeviceError`` where there are no loop devices.
    package init?(taking path: FilePath) throws {
        self.init(path: path, file: try FileID(of: path))
        if try device() != nil { return }
        let descriptor = try check(open(path.string, O_RDWR | O_NOFOLLOW | O_CLOEXEC), "open '\(path)'")
        defer { close(descriptor) }
        guard try FileLock.take(descriptor, named: path, patience: .seconds(2)) else { return nil }
        _ = try LoopDevice.attachForGood(descriptor, named: path)
    }

    /// The same lock, once its file was renamed.
    package func moved(to path: FilePath) -> LastingLock { LastingLock(path: path, file: file) }

    /// Whether the lock is still had: a host that was cut off from the file system's servers loses it to others.
    ///
    /// The kernel does not tell; but who asks for the lock anew must not get it.
    package var isHeld: Bool {
        get throws {
            guard try device() != nil else { return false }
            do {
                return try FileID(of: path) == file && FileLock.isTaken(path)
            } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
                return false
            }
        }
    }

    /// Gives the lock back.
    package func giveBack() throws {
        try device()?.detach()
    }

    private func device() throws -> LoopDevice? { try LoopDevice.attached(to: file) }
}
