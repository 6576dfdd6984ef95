// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost

extension VolumeManager {
    /// Looks whether the pool and the volumes in use can be written, so that it is told before somebody needs it.
    package func checkCondition() async {
        guard poolTrouble == nil, poolSickness == nil else { return }
        do {
            let (condition, table) = try await BlockingWork.run(until: .now + limits.short, "look at the pool") {
                [store] in (try Self.findings(ofPoolAt: store.root).first?.reason, try MountTable())
            }
            noteCondition(condition)
            for (name, entry) in entries where !entry.holders.isEmpty && entry.mountFailure == nil {
                guard let volume = entry.volume, try driver(named: volume.driver).keepsDataInside(volume) else {
                    continue
                }
                let (place, logger) = (context(volume).mounts, context(volume).logger)
                guard table.entries.last(where: { $0.mountpoint == place })?.isReadOnly == true else { continue }
                let trouble = "it is mounted and cannot be written, since its file system had an error, as 'dmesg' says"
                update(name) { $0.mountFailure = trouble }
                logger.error("a volume in use cannot be written", metadata: ["error": "\(trouble)"])
            }
        } catch {
            logger.debug("the pool's condition cannot be seen", metadata: ["error": "\(error)"])
        }
    }
}
