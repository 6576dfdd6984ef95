// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Logging
import MobyFSHost
import Synchronization
import SystemPackage

extension VolumeManager {
    /// Removes a volume that nobody holds; one that does not exist is no error.
    package func remove(_ name: String) async throws {
        let name = try VolumeName(name)
        try await work(on: name, for: .removing, within: limits.short) { deadline in
            guard let volume = try await self.removable(name) else { return }
            try await self.remove(volume, until: deadline)
        }
    }

    /// The volume, if it is there and nothing speaks against removing it.
    ///
    /// Needs the volume's lock.
    ///
    /// - Throws: ``VolumeError`` that says what does.
    func removable(_ name: VolumeName) async throws -> Volume? {
        guard let entry = await present(name) else { return nil }
        if let trouble = entry.trouble { throw Self.troubled(name, trouble) }
        guard let volume = entry.volume, volume.removedAt == nil else { return nil }
        guard !volume.options.isProtected else {
            throw VolumeError(
                .protected,
                "volume '\(name)' is protected: 'mobyfs volume set \(name) protected=false' lets it be removed")
        }
        try await refuseIfHeld(volume)
        try await refuseIfUsedInside(volume)
        return volume
    }

    /// Removes a volume that was found ``removable(_:)``.
    ///
    /// - Parameters:
    ///   - volume: The volume.
    ///   - fate: What is to become of data that goes into the trash; nil for what the volume's options say.
    ///   - deadline: When it is to be over.
    /// - Throws: ``VolumeError``; it is there as before.
    func remove(
        _ volume: Volume, fate: Trash.Fate? = nil, until deadline: ContinuousClock.Instant
    ) async throws {
        let driver = try driver(named: volume.driver)
        let context = context(volume, deadline: deadline)
        try await BlockingWork.run { [store] in try store.requireWritable() }
        // What is in memory is gone once it is unmounted: that comes last.
        if driver.info.isLasting { try await release(volume, by: driver, in: context) }
        let name = volume.name
        if try await isGone(volume) {
            if !driver.info.isLasting { try await release(volume, by: driver, in: context) }
            try await BlockingWork.run { [holderStore] in try holderStore.save(VolumeHolders(), of: name) }
            forget(name)
            context.logger.warning("a volume is forgotten: somebody has taken its folder away")
            return
        }
        if driver.info.isLasting { try await driver.remove(volume, in: context) }
        if volume.removalPolicy == .keep, driver.keepsDataInside(volume) {
            var kept = volume
            kept.removedAt = .now
            try await commit { [holderStore, kept] store in
                try holderStore.save(VolumeHolders(), of: name)
                try store.save(kept)
            }
            update(name) { $0 = Entry(volume: kept) }
        } else {
            try await close(volume)
            let place: FilePath.Component?
            do {
                place = try await commit { [holderStore] store in
                    try holderStore.save(VolumeHolders(), of: name)
                    return try store.trash.take(store.directory(of: name), of: name, fate: fate).lastComponent
                }
                if let place, !driver.info.isLasting {
                    try await release(volume, by: driver, in: context, orPutBack: place)
                }
            } catch {
                await open(name)
                throw error
            }
            forget(name)
            removals.continuation.yield()
            context.logger.info(
                "volume moved to the trash",
                metadata: ["file.path": "\(store.trash.root)/\(place?.string ?? "")"])
        }
        context.logger.info("volume removed")
    }

    /// Unmounts a volume that is about to be removed.
    private func release(_ volume: Volume, by driver: any VolumeDriver, in context: DriverContext) async throws {
        do {
            try await driver.release(volume, in: context)
        } catch let error as VolumeError where error.code == .inUse {
            throw await naming(context, error)
        }
        await withdraw(volume.name)
    }

    /// The same of one that is in the trash already, and goes back to its place if it cannot be done.
    private func release(
        _ volume: Volume, by driver: any VolumeDriver, in context: DriverContext,
        orPutBack place: FilePath.Component
    ) async throws {
        do {
            try await release(volume, by: driver, in: context)
        } catch {
            try await commit { store in
                try DurableFile.rename(store.trash.root.appending(place), to: store.directory(of: volume.name))
            }
            throw error
        }
    }

    /// Whether somebody has taken a volume's folder away from the pool, which is there.
    private func isGone(_ volume: Volume) async throws -> Bool {
        try await commit { store in
            do {
                return try !Files.isDirectory(store.directory(of: volume.name), followingLinks: false)
            } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
                return true
            }
        }
    }

    /// The same error, with the processes that are at work where the volume is mounted.
    private func naming(_ context: DriverContext, _ error: VolumeError) async -> VolumeError {
        let processes = await BlockingWork.run { ProcessAtWork.find(in: context.mounts, limit: 3) }
        guard !processes.isEmpty else { return error }
        let list = processes.map(\.description).joined(separator: ", ")
        return VolumeError(error.code, "\(error); at work there: \(list)")
    }

    /// Deletes removed volumes as they come, until the task is cancelled.
    package func emptyTrash() async {
        for await _ in removals.stream {
            await condemnExpired()
            // Without the lock: it may take long, and what goes is given back to nobody.
            await purge()
        }
    }

    /// Deletes what is to go, unless another host is at it.
    private func purge() async {
        do {
            guard let sharing else { return await BlockingWork.run { [store] in store.trash.empty() } }
            try await sharing.withLockIfFree("/purge") { await BlockingWork.run { [store] in store.trash.empty() } }
        } catch {
            logger.debug("the trash is not emptied", metadata: ["error": "\(error)"])
        }
    }

    private func condemnExpired() async {
        do {
            let now = deletionClock.withLock { $0.time() }
            try await withTrash { [store] in try await BlockingWork.run { try store.trash.condemnExpired(at: now) } }
        } catch {
            logger.debug("the trash cannot be looked through", metadata: ["error": "\(error)"])
        }
    }

    /// Has removed volumes deleted whose time in the trash is up.
    package func expireTrash() {
        removals.continuation.yield()
    }
}
