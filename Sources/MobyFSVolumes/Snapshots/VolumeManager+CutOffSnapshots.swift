// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import Synchronization
import SystemPackage

extension VolumeManager {
    /// Takes out of volumes what snapshots and restores have left there that an earlier process did not end.
    ///
    /// Each volume is looked at once after the pool was read: what this process leaves it takes back itself.
    func collectCutOffSnapshots() async {
        guard poolTrouble == nil, poolSickness == nil else { return }
        let names = unsearched.withLock { names in
            defer { names = [] }
            return names
        }
        guard !names.isEmpty else { return }
        let suspects = await BlockingWork.run { [store] in names.filter { store.hasStaged($0) } }
        for name in suspects {
            if await !collectCutOffSnapshots(of: name) { unsearched.withLock { $0.append(name) } }
        }
    }

    /// - Returns: Whether that is done with; it is not while somebody works on the volume, perhaps on a snapshot.
    private func collectCutOffSnapshots(of name: VolumeName) async -> Bool {
        guard locks.tryLock(name) else { return false }
        defer { locks.unlock(name) }
        do {
            let taken: [FilePath]? =
                if let sharing {
                    try await sharing.withLockIfFree(name.description) { try await takeStaged(of: name) }
                } else {
                    try await takeStaged(of: name)
                }
            guard let taken else { return false }
            leftovers.withLock { $0 += taken }
            if !taken.isEmpty {
                logger.notice(
                    "what a snapshot or restore that was cut off has left is deleted",
                    metadata: ["volume.name": "\(name)"])
            }
        } catch {
            logger.debug(
                "what a snapshot or restore that was cut off has left stays until the next snapshot",
                metadata: ["volume.name": "\(name)", "error": "\(error)"])
        }
        return true
    }

    private func takeStaged(of name: VolumeName) async throws -> [FilePath] {
        let isHeld = entry(name)?.holders.isEmpty == false
        let taken = try await commit { [sharing] store in
            try store.takeStaged(of: name, isHeld: isHeld, for: sharing)
        }
        return taken.compactMap(\.lastComponent).map { store.volumes.appending($0) }
    }
}
