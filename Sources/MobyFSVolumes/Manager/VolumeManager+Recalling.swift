// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import Synchronization

extension VolumeManager {
    /// Answers for the volumes that were there when the pool was there last, until it can be read.
    package func recall() async {
        guard let memory else { return }
        do {
            let (names, holders) = try await BlockingWork.run { [store, holderStore] in
                (try memory.names(of: store.root), holderStore.load())
            }
            guard let names else { return }
            let recalled = Entry(
                trouble: "the volumes in '\(store.root)' could not be read since mobyfs was started", isRecalled: true)
            var entries = Dictionary(names.map { ($0, recalled) }) { $1 }
            for (name, holders) in holders {
                entries[name, default: Self.missing(name, in: store.root)].holders = holders
            }
            recall(entries)
        } catch {
            logger.warning("it cannot be read which volumes there were", metadata: ["error": "\(error)"])
        }
    }

    /// Writes down which volumes there are, if it was not and the pool is on a disk that a boot may come without.
    package func remember() async {
        guard let memory, poolTrouble == nil, poolMountpoint?.isRoot == false else { return }
        let names = entries.filter(\.value.isListed).keys.sorted()
        guard remembered.withLock({ $0 != names }) else { return }
        do {
            try await BlockingWork.run { [store] in try memory.save(names, of: store.root) }
            remembered.withLock { $0 = names }
        } catch {
            logger.warning("it cannot be written down which volumes there are", metadata: ["error": "\(error)"])
        }
    }
}
