// SPDX-License-Identifier: Apache-2.0

import Logging

// Volumes that are not served, or were removed and kept, and that somebody gives up by taking their folders away while
// mobyfs runs: nothing of them is known from then on, as after a restart.
extension VolumeManager {
    /// Looks at all volumes that may have been taken away.
    func forgetTakenAway() async {
        for (name, entry) in entries where entry.mayBeTakenAway {
            // Who works on it sees it for himself.
            guard locks.tryLock(name) else { continue }
            defer { locks.unlock(name) }
            await forgetIfTakenAway(name)
        }
    }

    /// What is known of a volume, unless it was taken away.
    ///
    /// Needs the volume's lock.
    func present(_ name: VolumeName) async -> Entry? {
        await forgetIfTakenAway(name)
        return entry(name)
    }

    private func forgetIfTakenAway(_ name: VolumeName) async {
        guard let entry = entry(name), entry.mayBeTakenAway else { return }
        do {
            guard try await commit({ store in try store.lacks(name) }) else { return }
        } catch {
            return logger.debug(
                "it cannot be seen whether a volume is there",
                metadata: ["volume.name": "\(name)", "error": "\(error)"])
        }
        // Another host may have put something there.
        guard self.entry(name)?.version == entry.version else { return }
        if entry.holders.isEmpty {
            forget(name)
        } else {
            let missing = Self.missing(name, in: store.root)
            update(name) { ($0.trouble, $0.isMissing) = (missing.trouble, missing.isMissing) }
        }
        logger.notice(
            "a volume that was not served is forgotten: somebody has taken its folder away",
            metadata: ["volume.name": "\(name)"])
    }
}

extension VolumeManager.Entry {
    /// Whether nobody but the disk can say that the volume is still there.
    fileprivate var mayBeTakenAway: Bool {
        // What is mounted of it is unmounted first.
        guard !isMissing, !isRecalled, !isIdle else { return false }
        guard let volume else { return trouble != nil }
        return holders.isEmpty && (trouble != nil || volume.removedAt != nil)
    }
}
