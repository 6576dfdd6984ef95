// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import Synchronization

// Nothing that an engine asks depends on whether a volume has its data, but a Mount, which sees for itself. So a start with
// ten thousand volumes does not wait until all are looked at.
extension VolumeManager {
    /// Begins to look whether volumes that were just read have their data, and then for what else is left in them.
    func beginDataSearch(of volumes: [Volume]) {
        let search = Task<Void, any Error> {
            await noteMissingData(of: volumes)
            removals.continuation.yield()
        }
        dataSearch.withLock { $0 = search }
    }

    /// Waits until it is known of all volumes whether they have their data, but not for storage that is silent.
    package func awaitDataSearch() async {
        guard let search = dataSearch.withLock({ $0 }) else { return }
        // What is not known yet is not said.
        try? await BlockingWork.value(of: search, until: .now + limits.short, "look for the data of all volumes")
    }

    private func noteMissingData(of volumes: [Volume]) async {
        let suspects = await BlockingWork.run { volumes.filter { self.troubleWithData(of: $0) != nil }.map(\.name) }
        for name in suspects {
            // Who works on it sees it for himself.
            guard locks.tryLock(name) else { continue }
            defer { locks.unlock(name) }
            guard let entry = entry(name), entry.mountFailure == nil, let volume = entry.volume,
                let trouble = await BlockingWork.run({ self.troubleWithData(of: volume) })
            else { continue }
            update(name) { $0.mountFailure = trouble }
        }
    }

    /// What is to be said of a volume whose data is not in its directory.
    ///
    /// Blocks.
    func troubleWithData(of volume: Volume) -> String? {
        // Of an unknown driver nothing is known.
        guard let missing = try? driver(named: volume.driver).missing(of: volume, in: context(volume)) else {
            return nil
        }
        return "its data is gone: there is no '\(missing)'\(Finding.pointer)"
    }
}
