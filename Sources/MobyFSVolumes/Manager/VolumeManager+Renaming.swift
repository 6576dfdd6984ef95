// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost

extension VolumeManager {
    /// Gives a volume that nobody holds another name.
    ///
    /// - Throws: ``VolumeError``; the volume has the name it had.
    package func rename(_ old: String, to new: String) async throws {
        let old = try describe(old).name
        let new = try VolumeName(new)
        guard old != new else { return }
        // Always in the same order: two renames crosswise do not wait for each other.
        let (first, second) = old < new ? (old, new) : (new, old)
        try await work(on: first, for: .renaming, within: limits.short) { deadline in
            try await self.locks.lock(second, for: .renaming, until: deadline)
            defer { self.locks.unlock(second) }
            // The first is locked for other hosts already.
            try await self.sharingLock(on: second, until: deadline) {
                try await self.rename(old, to: new, until: deadline)
            }
        }
    }

    private func rename(
        _ old: VolumeName, to new: VolumeName, until deadline: ContinuousClock.Instant
    ) async throws {
        let volume = try servable(old).volume
        if let other = self.entry(new) {
            throw VolumeError(
                .alreadyExists,
                other.volume?.removedAt == nil
                    ? "there is a volume '\(new)' already: choose another name"
                    : "the data of an earlier volume '\(new)' was kept in '\(store.directory(of: new))': choose another "
                        + "name, or move that folder away")
        }
        try await refuseIfHeld(volume)
        try await refuseIfUsedInside(volume)
        let driver = try driver(named: volume.driver)
        let context = context(volume, deadline: deadline)
        if let obstacle = await BlockingWork.run({ driver.obstacleToRenaming(volume, in: context) }) {
            throw VolumeError(.invalidArgument, "volume '\(old)' cannot be renamed: \(obstacle)")
        }
        try await driver.unmount(volume, in: context)
        await withdraw(old)
        try await close(volume)
        let renamed = volume.named(new)
        do {
            try await commit { [holderStore] store in
                try holderStore.save(VolumeHolders(), of: old)
                try store.rename(old, to: renamed)
            }
        } catch {
            await open(old)
            throw VolumeError.failure("volume '\(old)' cannot be renamed to '\(new)'", error)
        }
        await open(new)
        forget(old)
        update(new) { $0 = Entry(volume: renamed) }
        context.logger.info("volume renamed", metadata: ["volume.new_name": "\(new)"])
    }
}
