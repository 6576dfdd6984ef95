// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import SystemPackage

/// Working with a pool that other hosts work with too. Where there are none, all of this does nothing.
extension VolumeManager {
    /// How long a call that only reads waits for the pool's servers.
    static let serverPatience = Duration.seconds(2)

    /// Whether other hosts see the same volumes.
    package var isShared: Bool { sharing != nil }

    /// Tells the other hosts that this one is none of them any more, unless it has volumes mounted.
    package func leavePool() async {
        guard let sharing else { return }
        do {
            // The pool's servers may be gone already.
            try await BlockingWork.run(until: .now + Self.serverPatience, "leave the pool") { try sharing.leave() }
        } catch {
            logger.warning("other hosts take this one for alive until it reboots", metadata: ["error": "\(error)"])
        }
    }

    /// Asks the pool's servers, and waits for them no longer than anybody can.
    ///
    /// What they do not answer at once, happens later; so what is asked for by one key happens in order.
    func patiently<Result: Sendable>(
        _ key: String, _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        let (deadline, call) = (ContinuousClock.now + Self.serverPatience, "reach '\(store.root)'")
        guard await view.locks.lock(key, until: deadline) else { throw SystemCallError(call, .timedOut) }
        return try await BlockingWork.run(until: deadline, call) { [view] in
            defer { view.locks.unlock(key) }
            return try body()
        }
    }

    // MARK: - One at a time

    /// Works on a volume as it is now, while no other host does.
    func sharingLock<Result: Sendable>(
        on name: VolumeName, until deadline: ContinuousClock.Instant,
        _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        guard let sharing else { return try await body() }
        return try await sharing.withLock(name.description, until: deadline) {
            try await self.look(at: name)
            return try await body()
        }
    }

    /// Works on the trash while nobody else does.
    func withTrash<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
        try await trashLock.withLock(store.trash.root) {
            guard let sharing = self.sharing else { return try await body() }
            return try await sharing.withLock("/trash", until: .now + self.limits.short, body)
        }
    }

    /// Takes over what other hosts have done to a volume.
    private func look(at name: VolumeName) async throws {
        do {
            let volume = try await BlockingWork.run { [store, sharing] in
                let volume = try store.current(name)
                // One of before the pool was shared has none, nor one whose removal was cut off.
                if volume != nil { try sharing?.open(store.directory(of: name)) }
                return volume
            }
            adopt(name, volume.map { .success($0) })
        } catch let problem as VolumeRecord.Problem {
            adopt(name, .failure(problem))
        }
    }

    /// Notes what there is of a volume; nil for nothing.
    func adopt(_ name: VolumeName, _ found: Result<Volume, any Error>?) {
        let known = entry(name)
        switch found {
        case .success(let volume):
            guard known?.volume != volume || known?.trouble != nil else { return }
            let trouble = troubleWithOptions(of: volume)
            update(name) {
                $0.volume = volume
                $0.trouble = trouble
                $0.isMissing = false
            }
        case .failure(let problem):
            update(name) { $0.trouble = "\(problem)" }
        case nil:
            // What is in the quarantine is there, and not looked for.
            guard let known, known.volume != nil else { return }
            guard known.holders.isEmpty else {
                update(name) { $0.trouble = "its folder is gone from the pool, though this host has it mounted" }
                return
            }
            forget(name)
        }
    }

    // MARK: - Who has what mounted

    /// Says that this host is about to mount a volume.
    ///
    /// - Throws: ``VolumeError`` with code `inUse` if another host has it mounted, and one at a time may.
    func announce(_ volume: Volume, by driver: any VolumeDriver, alone isAlone: Bool = false) async throws {
        guard let sharing else { return }
        let name = volume.name
        let isNew = entry(name)?.holders.isEmpty ?? true
        do {
            try await patiently("/announce/\(name)") { try sharing.announce(name, alone: isAlone) }
        } catch {
            throw VolumeError(
                .unavailable, "cannot tell other hosts that volume '\(name)' is mounted here", cause: error)
        }
        do {
            if isNew { try await refuseIfTakenElsewhere(volume, by: driver) }
        } catch {
            if isNew { await withdraw(name) }
            throw error
        }
    }

    /// Throws an error that names the other host that lets nobody mount a volume beside it, if any.
    private func refuseIfTakenElsewhere(_ volume: Volume, by driver: any VolumeDriver) async throws {
        guard let sharing else { return }
        let name = volume.name
        let others = try await BlockingWork.run { try sharing.others(with: name) }
        if let other = others.first, !driver.allowsManyHosts(volume) {
            throw VolumeError(
                .inUse,
                "volume '\(name)' is mounted on \(other), and with driver '\(volume.driver)' one host at a time can have it: "
                    + "stop the containers that use it there")
        }
        if let other = await BlockingWork.run({ others.first { sharing.isAlone($0, with: name) } }) {
            throw VolumeError(.inUse, "volume '\(name)' is being exported on \(other): wait until that is done")
        }
    }

    /// Says that this host has a volume mounted no longer.
    ///
    /// - Returns: Whether that could be said; else it is tried again later.
    @discardableResult
    func withdraw(_ name: VolumeName) async -> Bool {
        guard let sharing else { return true }
        do {
            try await patiently("/announce/\(name)") { try sharing.withdraw(name) }
            return true
        } catch {
            logger.warning(
                "other hosts cannot be told that a volume is mounted here no longer",
                metadata: ["volume.name": "\(name)", "error": "\(error)"])
            return false
        }
    }

    /// The same after an unmount; what is in this host's memory stays mounted, and is to be had nowhere else.
    ///
    /// - Parameters:
    ///   - volume: The volume.
    ///   - mount: What was mounted before; nil for nothing.
    /// - Returns: Whether nothing is left to be done.
    /// - Throws: ``SystemCallError`` if it cannot be seen what is mounted.
    func withdrawUnlessMounted(_ volume: Volume, before mount: MountEntry?) async throws -> Bool {
        guard sharing != nil else { return true }
        let (place, keepsDataInside) = (
            context(volume).mounts, try driver(named: volume.driver).keepsDataInside(volume)
        )
        let isMounted = try await BlockingWork.run {
            if try Mounts.entry(at: place) != nil { return true }
            guard let mount, keepsDataInside else { return false }
            // Whoever has entered a container's mount namespace has it from there.
            return try !MountNamespaces.survey(MountSelection(devices: [mount.device]), missingAt: place).users.isEmpty
        }
        guard !isMounted else { return !keepsDataInside }
        return await withdraw(volume.name)
    }

    /// The other hosts that have a volume mounted.
    ///
    /// - Parameters:
    ///   - name: The volume.
    ///   - patience: How long to wait for the pool's servers; nil for as long as a call may take.
    /// - Returns: The hosts, in any order.
    /// - Throws: ``SystemCallError``.
    package func otherHosts(with name: VolumeName, within patience: Duration? = nil) async throws -> [PoolHost] {
        guard let sharing else { return [] }
        return try await BlockingWork.run(until: .now + (patience ?? limits.short), "reach '\(store.root)'") {
            try sharing.others(with: name)
        }
    }

    /// Throws an error that names the other host that has a volume mounted, if any.
    func refuseIfHeldElsewhere(_ volume: Volume) async throws {
        guard let other = try await otherHosts(with: volume.name).first else { return }
        throw VolumeError(
            .inUse,
            "volume '\(volume.name)' is in use on \(other): stop the containers that use it there, or run this there")
    }

    /// Sees to it that no other host mounts a volume whose directory is about to be moved.
    func close(_ volume: Volume) async throws {
        guard let sharing else { return }
        do {
            try await BlockingWork.run { try sharing.close(volume.name) }
        } catch let error as SystemCallError where error.errno == .directoryNotEmpty {
            try await refuseIfHeldElsewhere(volume)
            throw error
        }
    }

    /// Lets other hosts mount a volume whose directory is in its place.
    func open(_ name: VolumeName) async {
        guard let sharing else { return }
        do {
            try await BlockingWork.run { [store] in try sharing.open(store.directory(of: name)) }
        } catch {
            logger.warning(
                "a volume cannot be mounted until its folder 'hosts' is there",
                metadata: ["volume.name": "\(name)", "error": "\(error)"])
        }
    }
}
