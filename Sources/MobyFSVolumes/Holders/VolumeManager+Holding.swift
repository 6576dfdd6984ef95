// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
package import MobyFSHost
package import SystemPackage

// Who holds a volume. Counts say who asked; where an engine is gone that could have taken its count back, the
// mount tables of all processes say who is left.
extension VolumeManager {
    /// Makes a volume's data reachable and notes who holds it.
    ///
    /// - Parameters:
    ///   - name: The volume.
    ///   - id: The mount ID.
    ///   - engine: The engine that asks, if known.
    /// - Returns: Where the data is.
    /// - Throws: ``VolumeError``; the volume is not held then.
    package func mount(_ name: String, id: String, for engine: ProcessIdentity?) async throws -> FilePath {
        let name = try VolumeName(name)
        guard Self.mountIDSizes.contains(id.utf8.count) else {
            throw VolumeError(
                .invalidArgument,
                "cannot mount volume '\(name)': the request's 'ID' has \(id.utf8.count) bytes, not 1 to 256")
        }
        return try await work(
            on: name, for: .mounting, within: limits.long, inPool: isInPool(name),
            late: { _ in await self.takeBack(name, id) },
            { deadline in try await self.mount(name, id: id, for: engine, until: deadline) })
    }

    /// How many bytes an ID may have.
    static let mountIDSizes = 1...256

    /// Whether a volume's data is in the pool, or may be.
    private func isInPool(_ name: VolumeName) -> Bool {
        // What cannot be told here is told by the Mount itself.
        guard let volume = entry(name)?.volume, let driver = try? driver(named: volume.driver) else { return true }
        return driver.keepsDataInside(volume)
    }

    /// Mounts a volume for a process of this host that is no engine.
    ///
    /// - Parameters:
    ///   - name: The volume.
    ///   - id: The mount ID.
    ///   - isAlone: Whether nobody else may be using it.
    ///   - process: Who holds it; when it ends, its hold ends.
    /// - Returns: Where the data is.
    /// - Throws: ``VolumeError``; the volume is not held then.
    package func hold(
        _ name: String, id: String, alone isAlone: Bool, for process: ProcessIdentity
    ) async throws -> FilePath {
        let name = try describe(name).name
        return try await work(
            on: name, for: .mounting, within: limits.long, inPool: isInPool(name),
            late: { _ in await self.takeBack(name, id) },
            { deadline in
                if let volume = self.entry(name)?.volume {
                    if isAlone { try await self.refuseIfHeld(volume) }
                    try await self.requireCopyable(volume)
                }
                return try await self.mount(name, id: id, for: process, alone: isAlone, until: deadline)
            })
    }

    private func mount(
        _ name: VolumeName, id: String, for engine: ProcessIdentity?, alone isAlone: Bool = false,
        until deadline: ContinuousClock.Instant
    ) async throws -> FilePath {
        let (start, generation) = (ContinuousClock.now, mountWatch.generation)
        let (volume, entry) = try servable(name)
        if let alone = entry.holders.alone, await !Self.living([alone]).isEmpty {
            throw VolumeError(
                .inUse,
                "volume '\(name)' is being exported by process \(alone.processID): wait until that is done, or end it and "
                    + "export with --live")
        }
        let driver = try driver(named: volume.driver)
        try await announce(volume, by: driver, alone: isAlone)
        let context: DriverContext
        do {
            context = self.context(volume, secrets: try await secrets(of: volume), deadline: deadline)
            try await mount(volume, with: driver, in: context)
        } catch {
            update(name) { $0.mountFailure = "\(error)" }
            if entry.holders.isEmpty, !entry.isIdle { await withdraw(name) }
            throw error
        }
        var holders = entry.holders
        let living = holders.byID[id] == nil ? [] : await Self.living(holders.engines)
        holders.add(id, for: engine, alone: isAlone, living: living)
        do {
            try await save(holders, of: name, changed: id)
        } catch {
            // Unheld, the volume would be fair game for Remove.
            if entry.holders.isEmpty { await unmount(volume, until: deadline) }
            throw VolumeError(.io, "cannot note that volume '\(name)' is held", cause: error)
        }
        let mountpoint = driver.mountpoint(of: volume, in: context)
        update(name) {
            $0.mountFailure = nil
            $0.isIdle = false
            $0.seenMounted = (start, generation, mountpoint)
        }
        log("volume mounted", holders, instead: entry.holders, of: volume, changed: id)
        return mountpoint
    }

    private func mount(_ volume: Volume, with driver: any VolumeDriver, in context: DriverContext) async throws {
        do {
            try await driver.mount(volume, in: context)
        } catch {
            // A restore that a crash has cut off may have left it without its content.
            let snapshots = snapshots(in: volume)
            guard driver is any SnapshotDriver, try await BlockingWork.run({ try snapshots.recover() }) else {
                throw error
            }
            context.logger.notice("a restore that was cut off is taken back")
            try await driver.mount(volume, in: context)
        }
    }

    /// Takes back a Mount that its engine was told has failed.
    private func takeBack(_ name: VolumeName, _ id: String) async {
        do {
            try await unmount(name.description, id: id)
        } catch {
            logger.warning(
                "a Mount that came too late is not taken back; the volume counts as held",
                metadata: ["volume.name": "\(name)", "error": "\(error)"])
        }
    }

    /// Unmounts a volume that nobody holds; while some process is at work in it, it stays mounted for now.
    func unmount(_ volume: Volume, until deadline: ContinuousClock.Instant) async {
        let context = context(volume, deadline: deadline)
        do {
            let mount = sharing == nil ? nil : try await BlockingWork.run { try Mounts.entry(at: context.mounts) }
            try await driver(named: volume.driver).unmount(volume, in: context)
            let isOver = try await withdrawUnlessMounted(volume, before: mount)
            update(volume.name) { $0.isIdle = !isOver }
        } catch {
            let isKnown = entry(volume.name)?.isIdle ?? false
            update(volume.name) { $0.isIdle = true }
            context.logger.log(
                level: isKnown ? .debug : .warning,
                "a volume that nobody holds is still mounted; unmounting it is tried again later",
                metadata: ["error": "\(error)"])
        }
    }

    /// Takes one mount back; what is not there needs no taking back.
    ///
    /// It is not asked for twice. So where the volume is being resized or copied, it is done after that, and nobody is kept
    /// waiting for it.
    package func unmount(_ name: String, id: String) async throws {
        // A name that no volume can have is the name of no volume.
        guard let name = try? VolumeName(name) else { return }
        do {
            try await locks.lock(name, for: .unmounting, until: .now + Self.unmountPatience)
        } catch {
            logger.notice(
                "a volume is unmounted later",
                metadata: ["volume.name": "\(name)", "mount.id": "\(id)", "error": "\(error)"])
            Task { await self.unmountLater(name, id: id) }
            return
        }
        try await reply(about: name, within: limits.short, until: .now + limits.short) {
            try await self.unmountLocked(name, id: id)
        }
    }

    /// How long an Unmount waits for others to be done with its volume.
    private static let unmountPatience = Duration.seconds(5)

    private func unmountLater(_ name: VolumeName, id: String) async {
        do {
            try await locks.lock(name, for: .unmounting, until: .now + limits.copying)
            try await unmountLocked(name, id: id)
        } catch {
            logger.warning(
                "an Unmount is not made up for; its mount counts until its engine is started again",
                metadata: ["volume.name": "\(name)", "mount.id": "\(id)", "error": "\(error)"])
        }
    }

    private func unmountLocked(_ name: VolumeName, id: String) async throws {
        let deadline = ContinuousClock.now + limits.short
        try await workLocked(on: name, until: deadline, alone: false) { deadline in
            guard let entry = self.entry(name) else { return }
            var holders = entry.holders
            guard let volume = entry.volume else {
                // It cannot be served just now, and is held by one less when it can.
                guard holders.remove(id) else { return }
                await self.saveIfPossible(holders, of: name, changed: id)
                if holders.isEmpty, entry.isMissing { self.forget(name) }
                return
            }
            if holders.isLastOfInherited(id), try await self.survey(volume) != .unused {
                holders.doubt(id)
            } else if !holders.remove(id) {
                return
            }
            // First, so that a crash in between leaves a mount that nobody holds, and no holder without a mount.
            await self.saveIfPossible(holders, of: name, changed: id)
            if holders.isEmpty { await self.unmount(volume, until: deadline) }
            self.log("volume unmounted", holders, instead: entry.holders, of: volume, changed: id)
        }
    }

    /// Writes down who holds a volume; `id` is the only mount ID of which anything has changed, where that is so.
    private func save(_ holders: VolumeHolders, of name: VolumeName, changed id: String? = nil) async throws {
        // A file that is not there, or says something else, is written anew.
        let isUpToDate = entry(name).map { !$0.holders.isEmpty && !$0.isFileBehind } ?? false
        let id = isUpToDate ? id : nil
        try await BlockingWork.run { [holderStore] in try holderStore.save(holders, of: name, changed: id) }
        update(name) { ($0.holders, $0.isFileBehind) = (holders, false) }
    }

    /// Notes that fewer hold the volume than before; memory counts, and a file that says more does no harm.
    private func saveIfPossible(_ holders: VolumeHolders, of name: VolumeName, changed id: String) async {
        do {
            try await save(holders, of: name, changed: id)
        } catch {
            update(name) { ($0.holders, $0.isFileBehind) = (holders, true) }
            logger.warning(
                "it cannot be written down who holds a volume; after a restart more may be said to",
                metadata: ["volume.name": "\(name)", "error": "\(error)"])
        }
    }

    /// An engine that cannot be told from others was started.
    package func doubtUnidentifiedHolders() {
        for (name, entry) in entries where entry.holders.byID.values.contains(where: { $0.engine == nil }) {
            update(name) { $0.holders.doubtUnidentified() }
        }
    }

    /// Unmounts what nobody holds: after a crash, or because some process was at work in it before.
    package func unmountIdle() async {
        await withDiscardingTaskGroup { group in
            for (name, entry) in entries where entry.isIdle && entry.holders.isEmpty {
                group.addTask { await self.unmountIdle(name) }
            }
        }
    }

    private func unmountIdle(_ name: VolumeName) async {
        do {
            try await work(on: name, for: .unmounting, within: limits.short, alone: false) { deadline in
                guard let entry = self.entry(name), let volume = entry.volume, entry.isIdle, entry.holders.isEmpty,
                    try await self.survey(volume) == .unused
                else { return }
                await self.unmount(volume, until: deadline)
            }
        } catch {
            logger.debug("a volume stays mounted", metadata: ["volume.name": "\(name)", "error": "\(error)"])
        }
    }

    /// Drops the holders whose engine is gone and that no process's mount namespace bears out.
    package func releaseAbandoned() async {
        let entries = entries
        let engines = entries.values.reduce(into: Set()) { $0.formUnion($1.holders.engines) }
        let living = await Self.living(engines)
        await withDiscardingTaskGroup { group in
            for (name, entry) in entries where !entry.holders.unconfirmed(given: living).isEmpty {
                group.addTask { await self.releaseAbandonedOrSayWhyNot(name) }
            }
        }
    }

    private func releaseAbandonedOrSayWhyNot(_ name: VolumeName) async {
        do {
            try await work(on: name, for: .unmounting, within: limits.short, alone: false) {
                try await self.releaseAbandoned(name, until: $0)
            }
        } catch {
            logger.warning(
                "it cannot be told whether a volume is still held; it counts as held",
                metadata: ["volume.name": "\(name)", "error": "\(error)"])
        }
    }

    private func releaseAbandoned(_ name: VolumeName, until deadline: ContinuousClock.Instant) async throws {
        guard let entry = entry(name), entry.volume != nil || entry.isMissing else { return }
        let abandoned = entry.holders.unconfirmed(given: await Self.living(entry.holders.engines))
        guard !abandoned.isEmpty else { return }
        let use = if let volume = entry.volume { try await survey(volume) } else { try await surveyMissing(name) }
        guard use == .unused else { return }
        var holders = entry.holders
        holders.drop(abandoned)
        try await save(holders, of: name)
        if holders.isEmpty {
            if let volume = entry.volume { await unmount(volume, until: deadline) } else { forget(name) }
        }
        logger.notice(
            "holders of an engine that is gone are dropped: no process has the volume mounted",
            metadata: [
                "volume.name": "\(name)", "mount.ids": "\(abandoned.sorted())", "mount.count": "\(holders.count)",
            ])
    }

    /// Those of the engines that still run.
    private static func living(_ engines: Set<ProcessIdentity>) async -> Set<ProcessIdentity> {
        guard !engines.isEmpty else { return [] }
        return await BlockingWork.run { engines.filter(\.isAlive) }
    }

    /// What the kernel says about a volume.
    private enum Use: Hashable, Sendable {
        case unused
        case used(MountNamespaces.User)
        /// Nobody has it mounted, and the kernel has not let go of it: a file of it is open.
        case open(FilePath)
        /// Not every process could be looked at.
        case unknown
    }

    private func survey(_ volume: Volume) async throws -> Use {
        let (driver, context) = (try driver(named: volume.driver), context(volume))
        let mountpoint = driver.mountpoint(of: volume, in: context)
        let isOurs = mountpoint.starts(with: context.mounts)
        // A share, a disk or a folder that the host has in another place as well is none the less free to be removed here.
        let isElsewhere = isOurs && driver.info.isLasting && !driver.keepsDataInside(volume)
        return try await BlockingWork.run {
            let survey: MountNamespaces.Survey
            if isOurs, try Mounts.entry(at: context.mounts) == nil,
                let source = try driver.source(of: volume, in: context)
            {
                // Unmounted here, it may be in use all the same.
                survey = try MountNamespaces.survey(source, missingAt: context.mounts)
            } else {
                // What is mounted by us may hang: where it is, its path alone says.
                survey = try MountNamespaces.survey([mountpoint], areMounted: isOurs, ignoringHost: isElsewhere)
            }
            if let user = survey.users.values.first { return .used(user) }
            guard survey.isComplete else { return .unknown }
            guard isOurs, try Mounts.entry(at: context.mounts) == nil else { return .unused }
            return try Self.lastingDevice(of: volume, by: driver, in: context).map { .open($0) } ?? .unused
        }
    }

    /// The same of a volume that the pool lacks, and of which nothing but the name is known.
    private func surveyMissing(_ name: VolumeName) async throws -> Use {
        let (directory, mountpoint) = (store.directory(of: name), mounts.appending(name.description))
        return try await BlockingWork.run {
            guard try Mounts.entry(at: mountpoint) == nil, try LoopDevice.ofFile(formerlyIn: directory) == nil else {
                return .unknown
            }
            let survey = try MountNamespaces.survey(formerly: directory)
            return survey.users.values.first.map { .used($0) } ?? (survey.isComplete ? .unused : .unknown)
        }
    }

    /// The device that the kernel does not let go of; after an unmount that takes it a moment.
    private static func lastingDevice(
        of volume: Volume, by driver: any VolumeDriver, in context: DriverContext
    ) throws -> FilePath? {
        let end = ContinuousClock.now + .seconds(2)
        while let device = try driver.attachedDevice(of: volume, in: context) {
            guard ContinuousClock.now < end else { return device }
            usleep(20_000)
        }
        return nil
    }

    /// Throws an error if this host uses what is in the volume's directory: that is not to be purged.
    func refuseIfUsedInside(_ volume: Volume) async throws {
        let directory = store.directory(of: volume.name)
        let (driver, context) = (try driver(named: volume.driver), context(volume))
        let use = try await BlockingWork.run { [seesHost] in
            let path = Directories.resolve(directory)
            // Of an image it may be mounted still, with nobody who holds it.
            let own = try driver.attachedDevice(of: volume, in: context)
            let use = try DirectoryUse.first(of: path, in: MountTable(), but: own)
            return try use ?? (seesHost ? nil : MountTable(ofProcess: "1").mount(within: path).map { .mounted($0) })
        }
        guard let use else { return }
        let reason =
            switch use {
            case .mounted(let mount):
                "\(mount.source) is mounted at '\(mount.mountpoint)', in volume '\(volume.name)': unmount it first"
            case .layer(let overlay):
                "the overlay at '\(overlay.mountpoint)' has a layer in volume '\(volume.name)': unmount it first"
            case .attached(let device, let file):
                "\(device.path) has '\(file)', a file of volume '\(volume.name)': unmount what is on it, and run "
                    + "'losetup -d \(device.path)' first"
            case .swap(let file):
                "'\(file)', a file of volume '\(volume.name)', is swap space: run 'swapoff' on it first"
            }
        throw VolumeError(.inUse, reason)
    }

    /// Throws an error that says who holds the volume, if anybody does.
    func refuseIfHeld(_ volume: Volume) async throws {
        try await refuseIfHeldElsewhere(volume)
        try await refuseIfHeldHere(volume)
    }

    /// The same for this host alone.
    func refuseIfHeldHere(_ volume: Volume) async throws {
        let holders = entry(volume.name)?.holders ?? VolumeHolders()
        // What is not in the pool stays when the volume is removed; whoever else uses it is none of our business.
        let (driver, context) = (try driver(named: volume.driver), context(volume))
        let isOurs =
            driver.keepsDataInside(volume) || driver.mountpoint(of: volume, in: context).starts(with: context.mounts)
        if holders.isEmpty, !isOurs { return }
        let use = try await survey(volume)
        if case .used(let user) = use {
            throw VolumeError(
                .inUse,
                user.isHost
                    ? "volume '\(volume.name)' is in use: this host has it mounted at '\(user.mountpoint)' too; unmount it first"
                    : "volume '\(volume.name)' is in use: process \(user.processID) (\(user.processName)) has it mounted at "
                        + "'\(user.mountpoint)'; stop it first")
        }
        if case .open(let device) = use {
            throw VolumeError(
                .inUse,
                "volume '\(volume.name)' is in use: nobody has it mounted, but \(device) has its image, as a process has a file "
                    + "of it open, or a mount namespace by its file descriptor: end that process, or detach the device with "
                    + "'losetup -d \(device)' if somebody has attached it by hand")
        }
        // Without a full view, a holder that cannot be asked any more counts too.
        let living = await Self.living(holders.engines)
        let isHeld = use == .unused ? holders.unconfirmed(given: living).count < holders.byID.count : !holders.isEmpty
        guard isHeld else { return }
        let advice =
            if holders.byID.keys.allSatisfy({ $0.hasPrefix(Holder.ownPrefix) }) {
                "wait until that is done"
            } else if use == .unused {
                "remove the containers that use it first; if there are none, its engine could not say so while mobyfs was gone, "
                    + "and says it when it is restarted"
            } else {
                "remove the containers that use it first"
            }
        throw VolumeError(.inUse, "volume '\(volume.name)' is in use by \(holders): \(advice)")
    }
}
