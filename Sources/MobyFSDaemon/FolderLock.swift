// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import MobyFSHost
import MobyFSVolumes
import Synchronization
import SystemPackage

/// Keeps other daemons out of a folder, whichever file system is mounted there.
///
/// A lock keeps its file system from being unmounted. So one that is sick, or has turned read-only, is let go of for
/// whoever mends it, and what is there afterwards is locked anew.
final class FolderLock: Sendable {
    /// How long the folder's storage is waited for.
    private static let patience = Duration.seconds(5)

    private let path: FilePath
    /// What tells people to choose another folder.
    private let flag: String
    /// Whether other daemons may have it that share it too.
    private let isShared: Bool
    private let access: FolderAccess
    private let takeover: Takeover
    private let logger: Logger
    /// The lock, and where the folder was that it is on.
    private let held = Mutex<(lock: DirectoryLock, place: StoragePlace)?>(nil)
    /// Whether a look at the folder goes on.
    private let isLooking = Atomic(false)

    init(
        _ path: FilePath, flag: String, isShared: Bool = false, _ access: FolderAccess, _ takeover: Takeover,
        _ logger: Logger
    ) {
        self.path = path
        self.flag = flag
        self.isShared = isShared
        self.access = access
        self.takeover = takeover
        self.logger = logger
    }

    /// Locks the folder at the start.
    ///
    /// One that is not there cannot be worked in, and needs no lock yet; nor can one whose storage does not answer.
    ///
    /// - Throws: ``ConfigurationError`` if another daemon has it.
    func take() async throws {
        do {
            let isToBeLocked = try await BlockingWork.run(until: .now + Self.patience, "open '\(path)'") {
                guard self.isToBeLocked() else { return false }
                try Directories.create(self.path, mode: 0o710)
                try self.access.narrow(self.path)
                // What was seen of it of late, the kernel tells without its server.
                _ = try StoragePlace(of: self.path)
                return true
            }
            guard isToBeLocked else { return }
            let lock = try await BlockingWork.value(
                of: Task { [path, isShared, takeover] in try await takeover.lock(path, isShared: isShared) },
                until: .now + Self.patience + Takeover.patience, "lock '\(path)'")
            let place = try await BlockingWork.run { [path] in try StoragePlace(of: path) }
            held.withLock { $0 = (lock, place) }
        } catch let held as DirectoryLock.Held {
            throw refusal(held)
        } catch {
            logger.error("a folder cannot be used", metadata: ["error": "\(error)", "flag": "\(flag)"])
        }
    }

    /// Whether the folder is one to lock as a whole.
    ///
    /// Hosts that share a file system lock what they have in it, and nothing holds it up here. A folder of this host that
    /// they are said to share may be that of a daemon that knows nothing of others. Blocks.
    private func isToBeLocked() -> Bool {
        guard isShared, let table = try? MountTable() else { return true }
        if case .local = SharedFileSystem(of: Directories.resolve(path), in: table) { return true }
        return false
    }

    private func refusal(_ held: DirectoryLock.Held) -> ConfigurationError {
        let holder = held.processID.map { "process \($0)" } ?? "a process"
        return ConfigurationError(
            "\(holder) serves volumes with '\(held.path)' already: stop it, or choose another folder with \(flag)")
    }

    /// Locks what is at the path now, and throws if it is not this daemon's alone afterwards.
    func claim() async throws {
        do {
            try await BlockingWork.run(until: .now + Self.patience, "lock '\(path)'") {
                if try !self.lockAnew() { throw SystemCallError("lock '\(self.path)'", .wouldBlock) }
            }
        } catch let held as DirectoryLock.Held {
            throw refusal(held)
        }
    }

    /// Locks what is at the path now, and lets go of what was there before.
    ///
    /// - Throws: ``ConfigurationError`` if another daemon has it by now.
    func follow() async throws {
        // One that hangs is enough.
        guard !isLooking.exchange(true, ordering: .relaxed) else { return }
        do {
            try await BlockingWork.run(until: .now + Self.patience, "look at '\(path)'") {
                defer { self.isLooking.store(false, ordering: .relaxed) }
                _ = try self.lockAnew()
            }
        } catch let held as DirectoryLock.Held {
            throw refusal(held)
        } catch {
            logger.warning("a folder is not locked", metadata: ["error": "\(error)", "flag": "\(flag)"])
        }
    }

    /// - Returns: Whether what is at the path now is locked, or needs no lock.
    private func lockAnew() throws -> Bool {
        do {
            let place = try StoragePlace(of: path)
            // What nobody can write to needs no lock.
            let isFree = try place.isReadOnly || !isToBeLocked()
            guard isFree || held.withLock({ $0?.place }) != place else { return true }
            // Let go of first: it may be the same one, which shows under another number.
            held.withLock { $0 = nil }
            guard !isFree else { return true }
            let lock = try DirectoryLock(path, isShared: isShared)
            guard try StoragePlace(of: path) == place else { return false }
            held.withLock { $0 = (lock, place) }
            return true
        } catch let other as DirectoryLock.Held where other.processID == getpid() {
            // Another look was quicker.
            return held.withLock { $0 != nil }
        } catch {
            held.withLock { $0 = nil }
            throw error
        }
    }
}
