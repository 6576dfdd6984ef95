// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import SystemPackage

/// Loop devices that keep a file of the pool which is deleted, and the room that it takes up.
struct LoopCheck: HostCheck {
    let pool: FilePath

    func findings() -> [FindingDetails] {
        let devices = (try? Directories.entries(of: "/sys/block"))?.filter { $0.hasPrefix("loop") } ?? []
        return devices.sorted().compactMap { device in
            // A device without a file has none of these.
            let file = FilePath("/sys/block/\(device)/loop/backing_file")
            guard let bytes = try? DurableFile.read(file) else { return nil }
            let text = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
            guard text.hasSuffix(" (deleted)"), FilePath(text).starts(with: Directories.resolve(pool)) else {
                return nil
            }
            return finding(
                "loop", "/dev/\(device)", "it has a file of the pool that is deleted: \(text)",
                advice: "see with 'findmnt /dev/\(device)' where it is mounted; 'losetup -d /dev/\(device)' frees it")
        }
    }
}
