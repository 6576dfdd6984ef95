// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import SystemPackage

/// Loop devices that keep a file of the pool which is deleted, and the room that it takes up.
struct LoopCheck: HostCheck {
    let pool: FilePath

    func findings() -> [FindingDetails] {
        let files = (try? LoopDevice.backingFiles()) ?? []
        return files.compactMap { device, file in
            guard file.string.hasSuffix(" (deleted)"), file.starts(with: Directories.resolve(pool)) else { return nil }
            return finding(
                "loop", device.path.string, "it has a file of the pool that is deleted: \(file)",
                advice: "see with 'findmnt \(device.path)' where it is mounted; 'losetup -d \(device.path)' frees it")
        }
    }
}
