// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
import Synchronization
package import SystemPackage

/// Where a folder is: another after something was mounted over it, or unmounted.
package struct StoragePlace: Hashable, Sendable {
    /// The folder's path without symbolic links.
    let path: FilePath
    /// Unique among the mounts that there ever were, where the kernel has such a number.
    let mountID: UInt64
    /// The number of the mount as /proc/PID/mountinfo has it.
    let listedMountID: UInt64
    let device: dev_t
    /// The number of the file; nil where a program of its own serves the file system: over sshfs it changes.
    let inode: ino_t?

    /// Looks a folder up, and so asks its server.
    package init(of path: FilePath) throws {
        self = try Self.with(path) { place, _ in place }
    }

    /// Runs `body` with where a folder is, and a path that leads there whatever is mounted over it meanwhile.
    package static func with<Result>(
        _ path: FilePath, _ body: (StoragePlace, FilePath) throws -> Result
    ) throws -> Result {
        let descriptor = try check(open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open '\(path)'")
        defer { close(descriptor) }
        let place = try StoragePlace(ofDescriptor: descriptor, named: path)
        return try body(place, FilePath("/proc/self/fd/\(descriptor)"))
    }

    private init(ofDescriptor descriptor: CInt, named path: FilePath) throws {
        var facts = mobyfs_file_facts()
        let reason = mobyfs_file_facts(descriptor, &facts)
        guard reason == 0 else { throw SystemCallError("statx '\(path)'", Errno(rawValue: reason)) }
        self.path = Files.target(ofLink: "/proc/self/fd/\(descriptor)").map { FilePath($0) } ?? path
        (mountID, listedMountID) = (facts.unique_mount_id, facts.mount_id)
        let file = try FileID(ofDescriptor: descriptor, named: path)
        device = file.device
        let isFUSE = mobyfs_is_fuse(descriptor)
        guard isFUSE >= 0 else { throw SystemCallError("fstatfs '\(path)'", Errno(rawValue: -isFUSE)) }
        inode = isFUSE == 1 ? nil : file.inode
    }

    /// Where the file system is mounted that the folder is on.
    package var mountpoint: FilePath? {
        get throws { try covering?.mountpoint }
    }

    /// Whether a folder in it is on another mount.
    ///
    /// Asks its server.
    package func isMountedOver(at folder: FilePath) throws -> Bool {
        let descriptor = open(folder.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT { return false }
        try check(descriptor, "open '\(folder)'")
        defer { close(descriptor) }
        var facts = mobyfs_file_facts()
        let reason = mobyfs_file_facts(descriptor, &facts)
        guard reason == 0 else { throw SystemCallError("statx '\(folder)'", Errno(rawValue: reason)) }
        return facts.unique_mount_id != mountID
    }

    /// Whether nobody can write there.
    package var isReadOnly: Bool {
        get throws { try covering?.isReadOnly == true }
    }

    private var covering: MountEntry? {
        get throws { MountLocation(ofMounted: path, in: try MountTable())?.covering }
    }
}

/// Finds out whether a folder's storage answers, without waiting for it longer than anybody can.
///
/// Nothing ends a look at a server that hangs. So all who ask share one; only if what hangs was unmounted, or something
/// mounted over it, is another begun. And once the storage has been silent for long, nobody waits for it any more.
package final class StorageProbe: Sendable {
    private struct Look {
        let number: UInt64
        let begin: ContinuousClock.Instant
        /// The number of the mount that it looks at, or of the one that was there before.
        let mountID: UInt64?
        /// Those who wait for it, by their numbers.
        var answers: [UInt64: FirstAnswer<StoragePlace>] = [:]
    }

    private struct State {
        /// The latest that goes on.
        var look: Look?
        /// How many looks there were, and who waited for one.
        var count: UInt64 = 0
        /// Where the folder was at last.
        var path: FilePath
        var mountID: UInt64?
    }

    /// How often the mount table is asked whether what hangs is still what matters.
    private static let interval = Duration.seconds(1)
    /// For how long even storage that was silent before is asked.
    private static let chance = Duration.seconds(1)

    private let path: FilePath
    private let patience: Duration
    private let check: @Sendable (StoragePlace) throws -> Void
    private let state: Mutex<State>

    /// - Parameters:
    ///   - path: The folder.
    ///   - patience: How long the storage may be silent.
    ///   - check: Throws what is wrong with where it is.
    package init(
        _ path: FilePath, patience: Duration, check: @escaping @Sendable (StoragePlace) throws -> Void = { _ in }
    ) {
        self.path = path
        self.patience = patience
        self.check = check
        state = Mutex(State(path: path))
    }

    /// Looks at the folder.
    ///
    /// - Parameter deadline: How long to wait.
    /// - Returns: Where it is.
    /// - Throws: ``SystemCallError``, with `timedOut` if the storage does not answer.
    package func look(until deadline: ContinuousClock.Instant) async throws -> StoragePlace {
        let start = ContinuousClock.now
        while true {
            var (ticket, pause, end) = (UInt64(0), start, start)
            do {
                return try await BlockingWork.firstAnswer("reach '\(path)'") { answer in
                    let look = join(answer)
                    ticket = look.ticket
                    end = min(deadline, max(start + Self.chance, look.begin + patience))
                    pause = min(end, .now + Self.interval)
                    return pause
                }
            } catch let error as SystemCallError where error.errno == .timedOut {
                leave(ticket)
                // Before the pause is over, the storage itself has said so.
                guard pause <= .now, .now < end else { throw error }
            }
        }
    }

    /// Waits for the look that goes on at what is mounted there now, or for a new one.
    private func join(_ answer: FirstAnswer<StoragePlace>) -> (ticket: UInt64, begin: ContinuousClock.Instant) {
        let (current, place, lastMountID) = state.withLock { ($0.look, $0.path, $0.mountID) }
        let isRecent = current.map { $0.begin + Self.interval > .now } ?? false
        let isOld = current != nil && !isRecent
        // It is told without the server.
        let mountID =
            isOld
            ? (try? MountTable()).flatMap { MountLocation(ofMounted: place, in: $0)?.covering.id } : lastMountID
        let (ticket, begin, isNew) = state.withLock { state in
            state.count += 1
            if let look = state.look, isRecent || look.number != current?.number || look.mountID == mountID {
                state.look?.answers[state.count] = answer
                return (state.count, look.begin, false)
            }
            let look = Look(number: state.count, begin: .now, mountID: mountID, answers: [state.count: answer])
            state.look = look
            return (look.number, look.begin, true)
        }
        if isNew {
            BlockingWork.start { [self] in
                let outcome = Result {
                    let place = try StoragePlace(of: path)
                    try check(place)
                    return place
                }
                for answer in end(ticket, outcome) { answer.give(outcome) }
            }
        }
        return (ticket, begin)
    }

    private func leave(_ ticket: UInt64) {
        state.withLock { $0.look?.answers[ticket] = nil }
    }

    /// - Returns: Who waits for the look.
    private func end(
        _ number: UInt64, _ outcome: Result<StoragePlace, any Error>
    ) -> Dictionary<UInt64, FirstAnswer<StoragePlace>>.Values {
        state.withLock { state in
            if case .success(let place) = outcome { (state.path, state.mountID) = (place.path, place.listedMountID) }
            guard let look = state.look, look.number == number else { return [:].values }
            state.look = nil
            return look.answers.values
        }
    }
}
