// SPDX-License-Identifier: Apache-2.0

import Logging
package import MobyFSHost
package import SystemPackage

// One holder more or less of a volume that has others changes nothing but a line in memory. So it is noted while the
// engine waits, on the thread that has read its request; whatever might take longer, or go wrong, goes the long way.
extension VolumeManager {
    /// For how long what was seen mounted counts as mounted.
    private static let freshness = Duration.seconds(1)

    /// Does what ``mount(_:id:for:)`` does where the volume was mounted for another a moment ago.
    ///
    /// - Returns: Where the data is; nil where it takes the long way.
    package func mountAtOnce(_ text: String, id: String, for engine: ProcessIdentity?) -> FilePath? {
        guard sharing == nil, poolTrouble == nil, poolSickness == nil, Self.mountIDSizes.contains(id.utf8.count) else {
            return nil
        }
        return atOnce(text) { name, entry, volume in
            // An ID that is known may be one of an engine that is gone.
            guard entry.holders.byID[id] == nil, entry.holders.alone == nil, entry.mountFailure == nil,
                let seen = entry.seenMounted, seen + Self.freshness > .now,
                let driver = try? driver(named: volume.driver)
            else { return nil }
            var holders = entry.holders
            holders.add(id, for: engine)
            guard note(holders, of: name, changed: id) else { return nil }
            let context = context(volume)
            context.logger.info("volume mounted", metadata: ["mount.id": "\(id)", "mount.count": "\(holders.count)"])
            return driver.mountpoint(of: volume, in: context)
        }
    }

    /// Does what ``unmount(_:id:)`` does where others hold the volume too.
    ///
    /// - Returns: Whether it is done; if not, it takes the long way.
    package func unmountAtOnce(_ text: String, id: String) -> Bool {
        atOnce(text) { name, entry, volume in
            var holders = entry.holders
            guard !holders.isLastOfInherited(id), holders.remove(id), !holders.isEmpty,
                note(holders, of: name, changed: id)
            else { return nil }
            context(volume).logger.info(
                "volume unmounted", metadata: ["mount.id": "\(id)", "mount.count": "\(holders.count)"])
            return true
        } ?? false
    }

    /// Works on a volume that is held, is in order, and that nobody else works on.
    private func atOnce<Result>(_ text: String, _ body: (VolumeName, Entry, Volume) -> Result?) -> Result? {
        guard let name = try? VolumeName(text), locks.tryLock(name) else { return nil }
        defer { locks.unlock(name) }
        guard let entry = entry(name), let volume = entry.volume, entry.trouble == nil, !entry.holders.isEmpty else {
            return nil
        }
        return body(name, entry, volume)
    }

    private func note(_ holders: VolumeHolders, of name: VolumeName, changed id: String) -> Bool {
        guard entry(name)?.isFileBehind == false, holderStore.add(id, of: holders, to: name, atOnce: true) else {
            return false
        }
        update(name) { $0.holders = holders }
        return true
    }
}
