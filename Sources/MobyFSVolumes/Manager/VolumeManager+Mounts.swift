// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import SystemPackage

extension VolumeManager {
    /// Looks after a start at what is mounted: volumes that nobody holds are noted, to be unmounted later; what belongs to no
    /// volume, left by a Create or Remove that a crash cut off, is unmounted.
    func noteIdleMounts() async {
        do {
            let names = try await BlockingWork.run { [mounts, sharing] in
                let folders = Directories.isDirectory(mounts) == true ? try Directories.entries(of: mounts) : []
                let mounted = try MountTable().entries.compactMap { entry -> String? in
                    var below = entry.mountpoint
                    return below.removePrefix(mounts) ? below.components.first?.string : nil
                }
                let announced = try sharing?.announcements().map(\.description) ?? []
                return Set(folders + mounted + announced)
            }
            for name in names {
                await noteIdleMount(name)
            }
        } catch {
            logger.warning("it cannot be seen which volumes are mounted", metadata: ["error": "\(error)"])
        }
    }

    private func noteIdleMount(_ text: String) async {
        guard let name = try? VolumeName(text) else { return await unmountLeftover(mounts.appending(text)) }
        guard entry(name) == nil else {
            return update(name) { $0.isIdle = $0.volume != nil && $0.holders.isEmpty }
        }
        // Of whoever is about to create or remove it.
        guard locks.tryLock(name) else { return }
        defer { locks.unlock(name) }
        if entry(name) == nil { await unmountLeftover(mounts.appending(text)) }
    }

    private func unmountLeftover(_ path: FilePath) async {
        do {
            try await BlockingWork.run {
                // Some program that the daemon had started may be at work in it still; nobody is to have it.
                while try Mounts.entry(at: path) != nil { try Mounts.unmount(path, detaching: true) }
                try Mountpoint(path).remove()
            }
            logger.notice("what belonged to no volume is unmounted", metadata: ["mount.path": "\(path)"])
        } catch {
            logger.warning(
                "something that belongs to no volume stays mounted",
                metadata: ["mount.path": "\(path)", "error": "\(error)"])
        }
    }
}
