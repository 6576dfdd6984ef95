// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// What can be said of a volume without touching a disk.
package struct VolumeDescription: Sendable {
    package var name: VolumeName
    /// Nil for a volume that cannot be served.
    package var volume: Volume?
    package var mountpoint: FilePath?
    package var holders: VolumeHolders
    package var trouble: String?
    /// What becomes of its data when it is removed.
    package var removalPolicy = RemovalPolicy.delete
    /// What its owner had better change.
    package var warning: String?

    /// How many Mounts were not taken back.
    package var mountCount: Int { holders.count }
}

extension VolumeManager {
    /// Describes a volume.
    ///
    /// - Throws: ``VolumeError`` with code `notFound` if there is certainly none, and `unavailable` if that cannot
    ///   be said because the pool could not be read.
    package func describe(_ text: String) throws(VolumeError) -> VolumeDescription {
        let name: VolumeName
        do {
            name = try VolumeName(text)
        } catch {
            throw VolumeError(.notFound, "no such volume: \(error.message)")
        }
        if let entry = entry(name), entry.isListed { return describe(name, entry, poolSickness) }
        if let poolTrouble {
            throw VolumeError(.unavailable, unread(poolTrouble))
        }
        if let trouble = view.trouble ?? poolSickness {
            throw VolumeError(.unavailable, "it cannot be seen whether there is a volume '\(name)': \(trouble)")
        }
        throw VolumeError(.notFound, "no such volume: '\(name)'")
    }

    /// A volume that can be served, and what else is known of it.
    ///
    /// - Throws: ``VolumeError`` with code `notFound` if there is none, and `unavailable` if it is there all the same.
    func servable(_ name: VolumeName) throws(VolumeError) -> (volume: Volume, entry: Entry) {
        let entry = entry(name)
        if let entry, entry.isListed, let trouble = entry.trouble { throw Self.troubled(name, trouble) }
        guard let entry, entry.isListed, let volume = entry.volume else {
            throw VolumeError(.notFound, "no such volume: '\(name)'")
        }
        return (volume, entry)
    }

    /// Describes all volumes, by name.
    package func describeAll() throws(VolumeError) -> [VolumeDescription] {
        if !isKnown, let poolTrouble {
            throw VolumeError(.unavailable, unread(poolTrouble))
        }
        let sickness = poolSickness
        return entries.filter { $0.value.isListed }.map { describe($0.key, $0.value, sickness) }
            .sorted { $0.name < $1.name }
    }

    /// Describes those volumes that there are, of some names.
    package func describe(_ names: [VolumeName]) -> [VolumeDescription] {
        let sickness = poolSickness
        return names.compactMap { name in
            entry(name).flatMap { $0.isListed ? describe(name, $0, sickness) : nil }
        }
    }

    private func unread(_ poolTrouble: String) -> String {
        "the volumes in '\(store.root)' cannot be read: \(poolTrouble)"
    }

    private func describe(_ name: VolumeName, _ entry: Entry, _ sickness: String?) -> VolumeDescription {
        var description = VolumeDescription(
            name: name, holders: entry.holders, trouble: entry.trouble ?? entry.mountFailure ?? entry.limitTrouble)
        guard let volume = entry.volume else {
            if entry.isRecalled, let poolTrouble { description.trouble = unread(poolTrouble) }
            return description
        }
        description.volume = volume
        description.warning = volume.warning
        do {
            let driver = try driver(named: volume.driver)
            if entry.trouble == nil, let sickness, driver.keepsDataInside(volume) { description.trouble = sickness }
            description.mountpoint = driver.mountpoint(of: volume, in: context(volume))
            // What is not in the pool, nor in memory, is not the volume's own.
            let isOwn = driver.keepsDataInside(volume) || !driver.info.isLasting
            description.removalPolicy = isOwn ? volume.removalPolicy : .keep
        } catch {
            description.trouble = error.message
        }
        return description
    }
}

extension VolumeManager.Entry {
    /// Whether the engine is to see it: a volume that was removed is not, though its data was kept.
    var isListed: Bool { volume?.removedAt == nil }
}
