// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import SystemPackage

/// Takes over from a daemon that was killed and cannot end.
///
/// A thread that waits for a FUSE server is not ended by any signal once the server has its request. Until it answers the
/// process keeps its locks and its sockets, with which no other daemon could serve any volume.
struct Takeover {
    /// How long to try.
    static let patience = Duration.seconds(15)
    /// For how long a server must have somebody waiting to count as one that hangs.
    private static let interval = Duration.seconds(1)

    /// Where volumes are mounted.
    let mounts: FilePath
    let logger: Logger

    /// Locks a directory, and lets go whoever is dead and has it locked still.
    ///
    /// - Parameters:
    ///   - directory: The directory.
    ///   - isShared: Whether others may have it that share it too.
    /// - Returns: The lock.
    /// - Throws: ``DirectoryLock/Held`` if a living process has it, ``SystemCallError`` if a dead one keeps it.
    func lock(_ directory: FilePath, isShared: Bool) async throws -> DirectoryLock {
        let end = ContinuousClock.now + Self.patience
        var isCutOff = false
        while true {
            do {
                return try DirectoryLock(directory, isShared: isShared)
            } catch let held as DirectoryLock.Held {
                let holder = held.processID ?? 0
                let isDead = try holder > 0 && ProcessIdentity(processID: holder) == nil
                // It does nothing any more, and its lock ends with what it waits for: the pool itself, or a disk.
                if .now >= end, isDead { throw SystemCallError("lock '\(directory)'", .wouldBlock) }
                guard .now < end else { throw held }
                if holder > 0 {
                    guard isDead else { throw held }
                    logger.warning(
                        "a daemon that was killed cannot end: what it waits for is cut off",
                        metadata: ["process.id": "\(holder)"])
                    try await cutOff()
                    isCutOff = true
                } else {
                    // It is ending just now; or somebody has the lock whom this process does not see.
                    guard isCutOff else { throw held }
                    try await Task.sleep(for: .milliseconds(50))
                }
            }
        }
    }

    /// Ends the connections to servers that have not answered for a while; their volumes are mounted anew when they are used.
    private func cutOff() async throws {
        let before = try await BlockingWork.run { try FUSEConnection.waitedFor(below: mounts) }
        try await Task.sleep(for: Self.interval)
        try await BlockingWork.run {
            for connection in try FUSEConnection.waitedFor(below: mounts).intersection(before) { connection.abort() }
        }
    }
}
