// SPDX-License-Identifier: Apache-2.0

import Logging
package import MobyFSHost
package import SystemPackage

// One holder more or less of a volume that has others changes nothing but a line in memory. So it is noted while the
// engine waits, on the thread that has read its request; whatever might take longer, or go wrong, goes the long way.
extension VolumeManager {
    /// For how long what was seen mounted counts as mounted, unless something was mounted or unmounted since.
    private static let freshness = Duration.seconds(1)

    /// Does what ``mount(_:id:for:)`` does where the volume was mounted for another a moment ago.
    ///
    /// - Returns: Where the data is; nil where it takes the long way.
    package func mountAtOnce(_ text: String, id: String, for engine: ProcessIdentity?) -> FilePath? {
        guard sharing == nil, poolTrouble == nil, poolSickness == nil, Self.mountIDSizes.contains(id.utf8.count) else {
            return nil
        }
        return atOnce(text) { entry, volume in
            // An ID that is known may be one of an engine that is gone.
            guard entry.holders.byID[id] == nil, entry.holders.alone == nil, entry.mountFailure == nil,
                let seen = entry.seenMounted, seen.time + Self.freshness > .now,
                let generation = mountWatch.generation, seen.generation == generation
            else { return nil }
            var holders = entry.holders
            holders.add(id, for: engine)
            guard note("volume mounted", holders, instead: entry, of: volume, changed: id) else { return nil }
            return seen.mountpoint
        }
    }

    /// Does what ``unmount(_:id:)`` does where others hold the volume too.
    ///
    /// - Returns: Whether it is done; if not, it takes the long way.
    package func unmountAtOnce(_ text: String, id: String) -> Bool {
        atOnce(text) { entry, volume in
            var holders = entry.holders
            guard !holders.isLastOfInherited(id), holders.remove(id), !holders.isEmpty,
                note("volume unmounted", holders, instead: entry, of: volume, changed: id)
            else { return nil }
            return true
        } ?? false
    }

    /// Works on a volume that is held, is in order, and that nobody else works on.
    private func atOnce<Result>(_ text: String, _ body: (Entry, Volume) -> Result?) -> Result? {
        guard let name = try? VolumeName(text), locks.tryLock(name) else { return nil }
        defer { locks.unlock(name) }
        guard let entry = entry(name), let volume = entry.volume, entry.trouble == nil, !entry.holders.isEmpty else {
            return nil
        }
        return body(entry, volume)
    }

    private func note(
        _ event: Logger.Message, _ holders: VolumeHolders, instead entry: Entry, of volume: Volume, changed id: String
    ) -> Bool {
        guard !entry.isFileBehind, holderStore.add(id, of: holders, to: volume.name, atOnce: true) else { return false }
        update(volume.name) { $0.holders = holders }
        log(event, holders, instead: entry.holders, of: volume, changed: id)
        return true
    }

    /// Says who holds a volume by now; who looks after the host wants to know of the first and the last.
    func log(
        _ event: Logger.Message, _ holders: VolumeHolders, instead before: VolumeHolders, of volume: Volume,
        changed id: String
    ) {
        let level: Logger.Level = before.isEmpty || holders.isEmpty ? .info : .debug
        // The volume's own logger takes longer to make than all the rest.
        guard level >= logger.logLevel else { return }
        context(volume).logger.log(
            level: level, event, metadata: ["mount.id": "\(id)", "mount.count": "\(holders.count)"])
    }
}
