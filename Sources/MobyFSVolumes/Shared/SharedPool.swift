// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MobyFSHost
import Synchronization
package import SystemPackage

/// What the hosts that share a pool tell each other in it.
///
/// ```
/// hosts/ID                a host that lives: it has the file locked until it dies; its name is in it
/// locks                   who changes a volume just now, see ``NameLocks``
/// volumes/NAME/hosts/ID/  that host has the volume mounted
/// ```
/// A host's ID is made at its first start after a boot, and kept in the runtime directory. With the host die its lock and
/// so, without anybody doing anything, what it has said of volumes. All calls but ``withLock(_:until:_:)`` block.
package final class SharedPool: Sendable {
    private struct HostFile: Codable, Hashable {
        var name: String
        /// By these it knows itself again if the runtime directory is emptied: containers too can be hosts, and have
        /// another file system there.
        var runtimeDirectory: String?
        var runtimeDevice: UInt64?
        var bootID: String?
    }

    /// How long to wait between two tries to get a lock that another host has.
    private static let intervals = (shortest: Duration.milliseconds(5), longest: Duration.milliseconds(200))

    private let hosts: FilePath
    private let volumes: FilePath
    private let identity: FilePath
    private let announced: FilePath
    private let locks: NameLocks
    private let hostName: String
    private let member = Mutex<(id: String, lock: LastingLock)?>(nil)

    /// - Parameters:
    ///   - root: The pool.
    ///   - runtimeDirectory: What this host keeps of it until it reboots.
    ///   - hostName: What this host is called.
    package init(root: FilePath, runtimeDirectory: FilePath, hostName: String) {
        hosts = root.appending("hosts")
        volumes = root.appending("volumes")
        locks = NameLocks(root.appending("locks"))
        identity = runtimeDirectory.appending("host-id")
        announced = runtimeDirectory.appending("announced")
        self.hostName = hostName
    }

    // MARK: - Hosts

    /// This host's ID; nil unless it has joined.
    var id: String? { member.withLock { $0?.id } }

    /// Becomes one of the pool's hosts, or goes on to be the one that it was before this process was started.
    func join() throws {
        try Directories.create(hosts, mode: 0o700)
        try Directories.create(announced, mode: 0o700)
        if let id = try knownID() ?? forgottenID(), let lock = try LastingLock(taking: hosts.appending(id)) {
            member.withLock { $0 = (id, lock) }
            return
        }
        let id = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        // Seen by others once it is locked: what they find unlocked is of a host that is dead.
        let staging = hosts.appending(".new-\(id)")
        try DurableFile.write(JSONEncoder().encode(try ownFile), to: staging)
        guard let lock = try LastingLock(taking: staging) else {
            throw SystemCallError("lock '\(staging)'", .wouldBlock)
        }
        try DurableFile.rename(staging, to: hosts.appending(id))
        try remember(id)
        member.withLock { $0 = (id, lock.moved(to: hosts.appending(id))) }
        // What others are about to lock is left to them.
        for other in try Directories.entries(of: hosts) where other != id && !other.hasPrefix(".") {
            try discardIfDead(other)
        }
    }

    /// The ID that this host had, if it has not been rebooted since.
    private func knownID() -> String? {
        // Without the file it has none.
        guard let bytes = try? DurableFile.read(identity) else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
        guard words.count == 2, words[1] == ProcessIdentity.currentBootID,
            Directories.isDirectory(hosts.appending(words[0])) == false
        else { return nil }
        return words[0]
    }

    private func remember(_ id: String) throws {
        try DurableFile.write("\(id) \(ProcessIdentity.currentBootID)\n".utf8, to: identity, isDurable: false)
    }

    private var ownFile: HostFile {
        get throws {
            let directory = identity.removingLastComponent()
            return HostFile(
                name: hostName, runtimeDirectory: directory.string,
                runtimeDevice: UInt64(try FileID(of: directory).device), bootID: ProcessIdentity.currentBootID)
        }
    }

    /// The ID that this host has, though its runtime directory was emptied; what it said of volumes is noted again.
    ///
    /// As another host it would be kept out by what it itself has said, until it is rebooted.
    private func forgottenID() throws -> String? {
        let own = try ownFile
        let id = try Directories.entries(of: hosts).first { entry in
            // What cannot be read is another's.
            guard let bytes = try? DurableFile.read(hosts.appending(entry)),
                let file = try? JSONDecoder().decode(HostFile.self, from: Data(bytes))
            else { return false }
            return file == own
                && (try? LoopDevice.attached(to: FileID(of: hosts.appending(entry)))) != nil
        }
        guard let id else { return nil }
        for entry in try Directories.entries(of: volumes) {
            guard let name = try? VolumeName(entry), Directories.isRealDirectory(hosts(of: name).appending(id)) else {
                continue
            }
            try DurableFile.write([], to: announced.appending(entry), isDurable: false)
        }
        try remember(id)
        return id
    }

    /// Is no host of the pool any more, unless it has volumes mounted.
    package func leave() throws {
        guard let member = member.withLock({ $0 }), try Directories.entries(of: announced).isEmpty else { return }
        try Self.removing { try Files.unlink(identity) }
        try member.lock.giveBack()
        try Self.removing { try Files.unlink(member.lock.path) }
        self.member.withLock { $0 = nil }
    }

    /// Becomes another one of the pool's hosts: the one that it was is taken for dead.
    func joinAnew() throws {
        try Self.removing { try Files.unlink(identity) }
        if let lock = member.withLock({ $0?.lock }) {
            try lock.giveBack()
            // What is left of the lock on a server must not make another host of this one.
            try Self.removing { try Files.unlink(lock.path) }
        }
        try join()
    }

    /// Whether the other hosts still know that this one lives.
    ///
    /// When it was cut off from the pool's servers for long, they take it for dead.
    var isMember: Bool {
        get throws { try member.withLock { $0 }?.lock.isHeld ?? false }
    }

    /// Whether what a host has left half-made may be deleted: by itself, or because it is dead.
    func isAbandoned(by id: String) -> Bool {
        // What cannot be told is not deleted.
        id == self.id || (try? FileLock.isTaken(hosts.appending(id))) == false
    }

    private func discardIfDead(_ id: String) throws {
        guard try !FileLock.isTaken(hosts.appending(id)) else { return }
        try Self.removing { try Files.unlink(hosts.appending(id)) }
    }

    private func host(_ id: String) -> PoolHost {
        // The name is for people.
        let bytes = (try? DurableFile.read(hosts.appending(id))) ?? []
        let file = try? JSONDecoder().decode(HostFile.self, from: Data(bytes))
        return PoolHost(id: id, name: file?.name ?? id)
    }

    // MARK: - Locks

    /// Works on a volume while no other host does.
    ///
    /// - Parameters:
    ///   - name: What tells one thing to work on from others.
    ///   - deadline: How long to wait for others.
    ///   - body: The work.
    /// - Returns: What `body` does.
    /// - Throws: ``VolumeError`` with code `unavailable` if the others do not come to an end, or what `body` throws.
    func withLock<Result>(
        _ name: String, until deadline: ContinuousClock.Instant, _ body: () async throws -> Result
    ) async throws -> Result {
        var interval = Self.intervals.shortest
        while true {
            if let lock = try await BlockingWork.run({ [locks] in try locks.take(name) }) {
                defer { lock.giveBack() }
                return try await body()
            }
            guard .now + interval < deadline else {
                throw VolumeError(
                    .unavailable,
                    "volume '\(name)' is busy: another host of the pool works on it; see 'journalctl -u mobyfs' there, "
                        + "and try again")
            }
            try await Task.sleep(for: interval)
            interval = min(interval * 2, Self.intervals.longest)
        }
    }

    /// The same, unless another host does just now.
    ///
    /// - Returns: Nil if one does.
    func withLockIfFree<Result>(_ name: String, _ body: () async throws -> Result) async throws -> Result? {
        guard let lock = try await BlockingWork.run({ [locks] in try locks.take(name) }) else { return nil }
        defer { lock.giveBack() }
        return try await body()
    }

    // MARK: - Who has what mounted

    static let hostsName = "hosts"

    private func hosts(of name: VolumeName) -> FilePath {
        volumes.appending(name.description).appending(Self.hostsName)
    }

    /// Says that this host has a volume mounted, or is about to.
    ///
    /// Needs the volume's lock.
    ///
    /// - Parameters:
    ///   - name: The volume.
    ///   - isAlone: Whether no other host may mount it meanwhile.
    /// - Throws: ``SystemCallError``; nothing is said then.
    func announce(_ name: VolumeName, alone isAlone: Bool) throws {
        guard let id else { throw SystemCallError("join the hosts in '\(hosts)'", .noSuchProcess) }
        let (mark, place) = (announced.appending(name.description), hosts(of: name).appending(id))
        try Directories.create(announced, mode: 0o700, isDurable: false)
        // A crash from here on leaves a file that says what is to be taken back.
        try DurableFile.write([], to: mark, isDurable: false)
        do {
            // The folder that it is in is missing where the volume is on its way out.
            try Self.make(place)
            if isAlone { try Self.make(place.appending(Self.aloneName)) }
        } catch {
            try Files.unlink(mark)
            throw error
        }
    }

    private static let aloneName = "alone"

    private static func make(_ directory: FilePath) throws {
        guard mkdir(directory.string, 0o700) != 0, errno != EEXIST else { return }
        throw SystemCallError("mkdir '\(directory)'", Errno(rawValue: errno))
    }

    /// Whether what this host has said of a volume is still there; others take it away who take this host for dead.
    ///
    /// Of a volume that is gone altogether nothing can be said any more.
    func isAnnounced(_ name: VolumeName) -> Bool {
        guard let id, Directories.isDirectory(announced.appending(name.description)) == false else { return true }
        let isThere = Directories.isDirectory(volumes.appending(name.description)) != nil
        return !isThere || Directories.isDirectory(hosts(of: name).appending(id)) != nil
    }

    /// Takes back ``announce(_:alone:)``; fine if there was none.
    func withdraw(_ name: VolumeName) throws {
        let mark = announced.appending(name.description)
        guard let id, Directories.isDirectory(mark) == false else { return }
        try takeBack(name, of: id)
        try Self.removing { try Files.unlink(mark) }
    }

    /// What this host said and did not take back before this process was started.
    func announcements() throws -> [VolumeName] {
        try Directories.entries(of: announced).compactMap { try? VolumeName($0) }
    }

    /// The hosts that have a volume mounted, but for this one.
    func others(with name: VolumeName) throws -> [PoolHost] {
        var marks: [String] = []
        try Self.removing { marks = try Directories.entries(of: hosts(of: name)) }
        return try marks.filter { $0 != id }.compactMap { other in
            if try FileLock.isTaken(hosts.appending(other)) { return host(other) }
            try takeBack(name, of: other)
            return nil
        }
    }

    /// Whether a host lets no other mount a volume beside it.
    func isAlone(_ host: PoolHost, with name: VolumeName) -> Bool {
        Directories.isRealDirectory(hosts(of: name).appending(host.id).appending(Self.aloneName))
    }

    private func takeBack(_ name: VolumeName, of host: String) throws {
        let place = hosts(of: name).appending(host)
        for directory in [place.appending(Self.aloneName), place] {
            try Self.removing { try check(rmdir(directory.string), "rmdir '\(directory)'") }
        }
    }

    /// Lets a volume's directory be moved to where it is no volume: from now on nobody can mount it.
    ///
    /// - Throws: ``SystemCallError`` with `directoryNotEmpty` if another host has it mounted.
    func close(_ name: VolumeName) throws {
        try Self.removing { try check(rmdir(hosts(of: name).string), "rmdir '\(hosts(of: name))'") }
    }

    /// Lets a volume in this directory be mounted; one that is not there is not made.
    func open(_ directory: FilePath) throws {
        try Self.make(directory.appending(Self.hostsName))
    }

    /// Fine if nothing is there, or another was quicker.
    private static func removing(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
            return
        }
    }
}
