// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import Logging
import MobyFSHost

extension VolumeManager {
    /// The removed volumes whose data is still there, the oldest first.
    package func trashed() async throws -> [Trash.Item] {
        try await requirePool()
        return try await BlockingWork.run { [store] in try store.trash.items().filter { $0.fate == .stays } }
    }

    /// Makes a removed volume a volume again.
    ///
    /// - Parameters:
    ///   - text: Its name, or its ID in the trash where there are several of the name.
    ///   - newName: What it is to be called; nil for what it was called.
    /// - Returns: What it is called.
    /// - Throws: ``VolumeError``; it is in the trash as before.
    package func restoreFromTrash(_ text: String, as newName: String? = nil) async throws -> VolumeName {
        let item = try await trashed(text)
        let name = try newName.map { text throws(VolumeError) in try VolumeName(text) } ?? item.volume.name
        try await work(on: name, for: .renaming, within: limits.short) { _ in
            guard self.entry(name) == nil else {
                throw VolumeError(
                    .alreadyExists,
                    "there is a volume '\(name)' already, or kept data of one: restore it under another name with --as NAME"
                )
            }
            var volume = item.volume.named(name)
            volume.removedAt = nil
            let driver = try self.driver(named: volume.driver)
            if name != item.volume.name,
                let obstacle = driver.obstacleToRenaming(volume, in: self.context(volume))
            {
                throw VolumeError(.invalidArgument, "volume '\(item.volume.name)' cannot be renamed: \(obstacle)")
            }
            try await self.withTrash { [store = self.store, volume] in
                try await BlockingWork.run {
                    // It may have been restored or condemned meanwhile.
                    guard try store.trash.items().contains(where: { $0.id == item.id && $0.fate == .stays }) else {
                        throw VolumeError(.notFound, "'\(item.id)' is no longer in the trash")
                    }
                    try store.trash.giveBack(item, as: volume, to: store.directory(of: name))
                }
            }
            await self.open(name)
            self.update(name) { [volume] in $0 = Entry(volume: volume) }
            self.context(volume).logger.info("volume restored from the trash", metadata: ["trash.id": "\(item.id)"])
        }
        return name
    }

    /// Has removed volumes deleted for good, in the background.
    ///
    /// - Parameters:
    ///   - names: Their names or IDs; none for all.
    ///   - date: Only those that were removed before; nil for all.
    /// - Returns: Their IDs.
    /// - Throws: ``VolumeError`` if there is nothing of a name.
    package func deleteFromTrash(_ names: [String], removedBefore date: Date? = nil) async throws -> [String] {
        let items = try await trashed()
        for name in names where !items.contains(where: { $0.isCalled(name) }) {
            throw VolumeError(.notFound, "there is no '\(name)' in the trash; 'mobyfs trash ls' shows what is")
        }
        // Who gives an ID means that one, whatever others are called.
        let ids = Set(items.map(\.id)).intersection(names)
        let calls = names.filter { !ids.contains($0) }
        let meant = items.filter { item in
            (names.isEmpty || ids.contains(item.id) || calls.contains { item.isCalled($0) })
                && date.map { (item.removedAt ?? .distantFuture) < $0 } ?? true
        }
        // Another may have been faster, or have given one back.
        let condemned = try await withTrash { [store] in
            try await BlockingWork.run { try meant.filter { try store.trash.condemn($0) } }
        }
        removals.continuation.yield()
        for item in condemned {
            logger.info(
                "removed volume is deleted from the trash",
                metadata: ["volume.name": "\(item.volume.name)", "trash.id": "\(item.id)"])
        }
        return condemned.map(\.id)
    }

    /// Removes all volumes that nobody holds and nothing protects.
    ///
    /// Their data goes into the trash, whatever their options say, but for what is kept in its place. What is in memory
    /// only is left alone.
    ///
    /// - Parameter isTrial: Whether to say only which these are.
    /// - Returns: Their names, and why one is left that could have gone, by its name.
    /// - Throws: ``VolumeError`` if the pool cannot be read.
    package func prune(isTrial: Bool) async throws -> (pruned: [VolumeName], left: [VolumeName: any Error]) {
        try await requirePool()
        await refresh(nil)
        var (pruned, left): ([VolumeName], [VolumeName: any Error]) = ([], [:])
        for name in try describeAll().map(\.name) {
            do {
                let isGone = try await work(on: name, for: .removing, within: limits.short) { deadline in
                    guard let volume = try await self.unused(name) else { return false }
                    if !isTrial { try await self.remove(volume, fate: .stays, until: deadline) }
                    return true
                }
                if isGone { pruned.append(name) }
            } catch {
                left[name] = error
            }
        }
        return (pruned, left)
    }

    /// The volume, if it may be removed, and its data can be had back afterwards.
    private func unused(_ name: VolumeName) async throws -> Volume? {
        do {
            guard let volume = try await removable(name), try driver(named: volume.driver).info.isLasting else {
                return nil
            }
            return volume
        } catch let error as VolumeError {
            logger.debug("a volume is not pruned", metadata: ["volume.name": "\(name)", "error": "\(error)"])
            return nil
        }
    }

    private func trashed(_ text: String) async throws -> Trash.Item {
        let all = try await trashed()
        let items = all.first { $0.id == text }.map { [$0] } ?? all.filter { $0.isCalled(text) }
        guard let item = items.last else {
            throw VolumeError(.notFound, "there is no '\(text)' in the trash; 'mobyfs trash ls' shows what is")
        }
        guard items.count == 1 else {
            throw VolumeError(
                .invalidArgument,
                "there are \(items.count) removed volumes '\(text)' in the trash: give one by its ID, "
                    + items.prefix(5).map(\.id).joined(separator: " or ")
                    + (items.count > 5 ? " or another of them: 'mobyfs trash ls'" : ""))
        }
        return item
    }
}

extension Trash.Item {
    fileprivate func isCalled(_ text: String) -> Bool { id == text || volume.name.description == text }
}
