// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Logging
import MobyFSHost

extension VolumeManager {
    /// Removes a volume that nobody holds; one that does not exist is no error.
    package func remove(_ name: String) async throws {
        let name = try VolumeName(name)
        try await work(on: name, within: limits.short) { deadline in
            try await self.requirePool()
            guard let entry = self.entry(name) else { return }
            if let trouble = entry.trouble { throw Self.troubled(name, trouble) }
            guard let volume = entry.volume, volume.removedAt == nil else { return }
            guard !volume.options.isProtected else {
                throw VolumeError(
                    .protected,
                    "volume '\(name)' is protected: set \"protected\" to \"false\" in "
                        + "'\(self.store.directory(of: name))/record.json' and restart mobyfs to be able to remove it")
            }
            try await self.refuseIfHeld(volume)
            try await self.refuseIfMountedInside(volume)
            try await self.remove(volume, until: deadline)
        }
    }

    private func remove(_ volume: Volume, until deadline: ContinuousClock.Instant) async throws {
        let driver = try driver(named: volume.driver)
        let context = context(volume, deadline: deadline)
        // What is in memory is gone once it is unmounted: first make sure that the rest can follow.
        try await BlockingWork.run { [store] in try store.requireWritable() }
        do {
            try await driver.release(volume, in: context)
        } catch let error as VolumeError where error.code == .inUse {
            throw await naming(context, error)
        }
        try await driver.remove(volume, in: context)
        let name = volume.name
        if volume.removalPolicy == .keep, driver.keepsDataInside(volume) {
            var kept = volume
            kept.removedAt = .now
            try await BlockingWork.run { [store, holderStore, kept] in
                try holderStore.save(VolumeHolders(), of: name)
                try store.save(kept)
            }
            update(name) { $0 = Entry(volume: kept) }
        } else {
            let place = try await BlockingWork.run { [store, holderStore] in
                try holderStore.save(VolumeHolders(), of: name)
                return try store.moveToTrash(name)
            }
            forget(name)
            removals.continuation.yield()
            context.logger.info("volume moved to the trash", metadata: ["file.path": "\(place)"])
        }
        context.logger.info("volume removed")
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
            await BlockingWork.run { [store] in store.emptyTrash() }
        }
    }
}
