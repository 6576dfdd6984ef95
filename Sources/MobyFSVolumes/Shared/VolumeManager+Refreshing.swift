// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import SystemPackage

/// Seeing what other hosts do with the same pool.
extension VolumeManager {
    /// Whether others may have changed what there is of a volume, or of all: other hosts, or whoever has just mounted the
    /// pool's file system.
    package func needsRefresh(_ text: String?) -> Bool {
        guard sharing == nil else { return true }
        guard let name = text.flatMap({ try? VolumeName($0) }) else { return false }
        return !hasEntry(name)
    }

    /// Takes over what others have done, as far as the pool's servers answer at once.
    ///
    /// - Parameter text: The volume that matters; nil for all.
    package func refresh(_ text: String?) async {
        // Who asks now would wait for nothing; that it is well again shows elsewhere.
        guard poolTrouble == nil, poolSickness == nil else { return }
        if let text {
            guard let name = try? VolumeName(text) else { return }
            if sharing == nil { await checkPool(for: name) } else { await refresh(name, isThorough: true) }
        } else if sharing != nil {
            await refresh(nil, isThorough: false)
        }
    }

    /// Looks at all volumes, also at those that were there before, and whether this host still counts as one of the pool's.
    package func refreshThoroughly() async {
        guard let sharing, poolTrouble == nil, poolSickness == nil else { return }
        await refresh(nil, isThorough: true)
        do {
            guard try await !isStillMember(sharing) else { return }
            await rejoin(sharing)
        } catch {
            logger.warning("it cannot be told whether this host is cut off", metadata: ["error": "\(error)"])
        }
    }

    private func isStillMember(_ sharing: SharedPool) async throws -> Bool {
        guard try await patiently("/member", { try sharing.isMember }) else { return false }
        for name in try await BlockingWork.run({ try sharing.announcements() }) {
            guard try await patiently("/announce/\(name)", { sharing.isAnnounced(name) }) else { return false }
        }
        return true
    }

    /// Others took this host for dead.
    private func rejoin(_ sharing: SharedPool) async {
        logger.error("this host was cut off from the pool, and other hosts took it for dead; it joins anew")
        do {
            try await BlockingWork.run { try sharing.joinAnew() }
        } catch {
            return logger.error("this host cannot join the pool's hosts", metadata: ["error": "\(error)"])
        }
        await announceHeld()
    }

    /// Says of each volume that somebody holds here that it is mounted here.
    func announceHeld() async {
        guard sharing != nil else { return }
        for (name, entry) in entries where !entry.holders.isEmpty {
            guard let volume = entry.volume else { continue }
            do {
                try await announceAgain(volume)
            } catch {
                update(name) { $0.mountFailure = "\(error)" }
                logger.error(
                    "a volume is mounted here that this host has lost; its containers are to be stopped",
                    metadata: ["volume.name": "\(name)", "error": "\(error)"])
            }
        }
    }

    private func announceAgain(_ volume: Volume) async throws {
        guard let sharing else { return }
        let (name, driver) = (volume.name, try driver(named: volume.driver))
        try await patiently("/announce/\(name)") { [store] in
            try sharing.open(store.directory(of: name))
            try sharing.announce(name, alone: false)
        }
        if !driver.allowsManyHosts(volume) { try await refuseIfHeldElsewhere(volume) }
    }

    private func refresh(_ name: VolumeName?, isThorough: Bool) async {
        let key = name?.description ?? (isThorough ? "/thorough" : "/")
        let (arrival, deadline) = (ContinuousClock.now, ContinuousClock.now + Self.readPatience)
        do {
            guard await view.locks.lock(key, until: deadline) else {
                throw SystemCallError("read '\(store.volumes)'", .timedOut)
            }
            // Whoever waited is content with what began after it had come.
            guard !view.hasLooked(key, since: arrival) else { return view.locks.unlock(key) }
            let (start, generation, seen) = (ContinuousClock.now, view.generation, view.stamps)
            // What is in the quarantine is not looked for.
            let known = Set(entries.filter { $0.value.volume != nil }.keys)
            let changes = try await BlockingWork.run(until: deadline, "read '\(store.volumes)'") {
                [store, view] in
                defer { view.locks.unlock(key) }
                if let name { return try store.changes(of: name, since: seen[name]) }
                return try store.changes(since: seen, known: known, isThorough: isThorough)
            }
            await apply(changes, since: generation)
            view.note(look: key, begun: start)
            view.trouble = nil
        } catch {
            let trouble = "\(unreachable(error))"
            logger.debug("the volumes of other hosts cannot be seen", metadata: ["error": "\(trouble)"])
            view.trouble = trouble
            if (error as? SystemCallError)?.errno == .timedOut { noteSickness(trouble) }
        }
    }

    private func apply(_ changes: VolumeStore.Changes, since generation: UInt64) async {
        for (name, stamp, volume) in changes.changed where view.isUntouched(name, since: generation) {
            adopt(name, volume)
            view.note(stamp, of: name)
        }
        let gone = changes.gone.filter { view.isUntouched($0, since: generation) && hasEntry($0) }
        for name in gone {
            adopt(name, nil)
            view.note(nil, of: name)
        }
        // What one of them had in memory is of no use any more.
        if !gone.isEmpty { await noteIdleMounts() }
    }
}
