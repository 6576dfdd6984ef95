// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import SystemPackage

// Whether the pool is there. Its storage may be sick, and be well again; its file system may be mounted after this process
// has started, be unmounted below it and come back. What was read of it once is answered for all the while.
extension VolumeManager {
    /// How long a start waits for the pool before it goes on without, and serves what needs none.
    private static let startPatience = Duration.seconds(5)
    /// The same once it has answered: there may be much to read.
    private static let loadPatience = Duration.seconds(30)
    /// How long a call that only reads waits, until it is known that the storage is sick.
    static let readPatience = Duration.seconds(5)

    /// Tries to load a pool that could not be read yet.
    ///
    /// One whose storage is silent is not waited for: what is being read is taken over when it is there.
    package func loadIfNeeded() async {
        guard poolTrouble != nil else { return }
        var place: StoragePlace?
        do {
            place = try await probe.look(until: .now + Self.startPatience)
        } catch let error as SystemCallError where error.errno == .timedOut {
            return noteUnloaded("\(silent(error))")
        } catch {
            // The load says it better, or makes the folder.
            logger.debug("the pool cannot be looked at", metadata: ["error": "\(error)"])
        }
        let deadline = ContinuousClock.now + Self.loadPatience
        var (load, isNew) = beginLoad(at: place)
        while true {
            do {
                try await BlockingWork.value(of: load.task, until: deadline, "read '\(store.volumes)'")
            } catch {
                return noteUnloaded("they are being read; that takes long")
            }
            guard poolTrouble != nil else { return }
            if let later = self.load(after: load) {
                (load, isNew) = (later, true)
            } else if !isNew {
                // It was begun before, and may have come too early.
                (load, isNew) = beginLoad(at: place)
            } else {
                return
            }
        }
    }

    /// Throws on the bare folder below a disk that is to be mounted there: every volume would be missing.
    func requireMountedPool() async throws {
        let missing = try await BlockingWork.run { [store, mountUnits] in
            mountUnits.missing(for: store.root, in: try MountTable())
        }
        guard let missing else { return }
        throw VolumeError(
            .unavailable,
            "its file system is not mounted at '\(missing.mountpoint)': see 'systemctl status \(missing.unit)'; mobyfs goes on by "
                + "itself once it is")
    }

    /// Where the pool was when the work under way on a volume was begun.
    @TaskLocal static var placeOfWork: StoragePlace?

    /// Writes to the pool that the work under way was begun with, and to no other that is mounted there by now.
    func commit<Result: Sendable>(_ body: @escaping @Sendable (VolumeStore) throws -> Result) async throws -> Result {
        let place = Self.placeOfWork ?? place
        return try await BlockingWork.run { [store] in try store.pinned(at: place, body) }
    }

    /// Throws unless the pool is loaded and its storage answers, after another attempt to have it so.
    func requirePool(until deadline: ContinuousClock.Instant? = nil) async throws {
        let deadline = deadline ?? .now + limits.short
        await loadIfNeeded()
        if let trouble = poolTrouble {
            throw VolumeError(
                .unavailable, "the volumes in '\(store.root)' cannot be read: \(trouble); nothing was changed")
        }
        try await lookAtPool(until: deadline)
    }

    /// Looks now and then whether the pool is there.
    ///
    /// - Parameter patience: How long to wait for it.
    package func checkPool(within patience: Duration = startPatience) async {
        await loadIfNeeded()
        guard poolTrouble == nil else { return }
        // What is wrong was noted.
        try? await lookAtPool(until: .now + patience)
    }

    /// The same for a call that asks for a volume that is not known: its file system may have just been mounted.
    func checkPool(for name: VolumeName) async {
        if entry(name) == nil { await checkPool(within: Self.readPatience) }
    }

    private func lookAtPool(until deadline: ContinuousClock.Instant) async throws {
        do {
            let place = try await probe.look(until: deadline)
            if place != self.place { try await takeOver(place, until: deadline) }
            noteSickness(nil)
        } catch let error as SystemCallError where error.isShortage {
            // No sickness of the pool.
            throw VolumeError.failure("the volumes in '\(store.root)' cannot be reached", error)
        } catch {
            // Whatever is there afterwards is looked at anew, though it may look the same; what hangs goes on as it was.
            if (error as? SystemCallError)?.errno != .timedOut { forgetPlace() }
            let error = unreachable(error)
            noteSickness("\(error)")
            throw error
        }
    }

    /// Takes over what there is of volumes where another file system is mounted than before.
    private func takeOver(_ place: StoragePlace, until deadline: ContinuousClock.Instant) async throws {
        guard await poolLock.lock(store.root, until: deadline) else {
            throw SystemCallError("read '\(store.volumes)'", .timedOut)
        }
        defer { poolLock.unlock(store.root) }
        guard place != self.place else { return }
        try await claim()
        let generation = view.generation
        let known = Set(entries.filter { $0.value.volume != nil }.keys)
        let mountpoint = try place.mountpoint
        // What there may be of volumes below it is not what was acknowledged.
        if let before = poolMountpoint, let mountpoint, !known.isEmpty, before != mountpoint,
            before.starts(with: mountpoint)
        {
            throw VolumeError(
                .unavailable,
                "the file system that was mounted at '\(before)', with the volumes, is not mounted there any more: mount "
                    + "it again, or restart mobyfs to go on without")
        }
        let contents = try await BlockingWork.run(until: deadline, "read '\(store.volumes)'") { [store] in
            do {
                // Work that began before may be going on: nothing is deleted or set aside.
                let contents = try store.load(amongHosts: { _ in false })
                // Nothing else was mounted there meanwhile.
                try store.pinned(at: place) { _ in }
                return contents
            } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
                if known.isEmpty { try store.prepare() }
                return VolumeStore.Contents()
            }
        }
        let found = Set(contents.volumes.map(\.name)).union(contents.troubled.keys)
        guard !found.isEmpty || known.isEmpty else {
            throw VolumeError(
                .unavailable,
                "there are no volumes in '\(store.root)' any more: mount the file system that belongs there, or restart "
                    + "mobyfs to begin anew")
        }
        let isSettled = known.union(found).allSatisfy { view.isUntouched($0, since: generation) }
        for volume in contents.volumes where view.isUntouched(volume.name, since: generation) {
            adopt(volume.name, .success(volume))
        }
        for (name, trouble) in contents.troubled where view.isUntouched(name, since: generation) {
            update(name) { $0.trouble = trouble }
        }
        let gone = known.subtracting(found).filter { view.isUntouched($0, since: generation) }
        for name in gone { adopt(name, nil) }
        if !gone.isEmpty {
            logger.warning(
                "volumes are left behind on the file system that was at the data folder before",
                metadata: ["volume.names": "\(gone.map(\.description).sorted().joined(separator: " "))"])
        }
        // What was worked on meanwhile is looked at once more.
        note(isSettled ? place : nil, mountedAt: mountpoint)
        logger.notice("another file system is mounted at the data folder", metadata: ["volume.count": "\(found.count)"])
        await noteIdleMounts()
        removals.continuation.yield()
    }

    // MARK: - Saying what is wrong

    private func silent(_ error: any Error) -> VolumeError {
        VolumeError(
            .unavailable, "the storage of '\(store.root)' does not answer; is its server or disk there?", cause: error)
    }

    func unreachable(_ error: any Error) -> VolumeError {
        switch error {
        case let error as VolumeError: error
        case let error as SystemCallError where error.errno == .timedOut: silent(error)
        default: VolumeError(.unavailable, "the volumes in '\(store.root)' cannot be reached", cause: error)
        }
    }
}
