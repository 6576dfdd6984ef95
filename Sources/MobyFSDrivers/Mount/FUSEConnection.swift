// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import SystemPackage

/// The kernel's line to the program that serves a FUSE file system.
struct FUSEConnection {
    private let path: FilePath

    /// What the programs bear that serve a mountpoint.
    static func mark(of mountpoint: FilePath) -> HelperMark {
        HelperMark("MOBYFS_MOUNT", mountpoint.string)
    }

    /// Whether a program that was started with the mark serves a file system.
    ///
    /// Looks at no file system, for that would wait with all others for a program that hangs. Blocks.
    static func hasServer(at mountpoint: FilePath) -> Bool {
        mark(of: mountpoint).bearers().contains { process in
            // It may have ended meanwhile.
            let descriptors = (try? Directories.entries(of: FilePath("/proc/\(process)/fd"))) ?? []
            return descriptors.contains { number in
                var target = [CChar](repeating: 0, count: 16)
                let count = readlink("/proc/\(process)/fd/\(number)", &target, target.count)
                return count > 0
                    && String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) == "/dev/fuse"
            }
        }
    }

    /// Finds the line of a mount; nil if it is no FUSE.
    init?(of entry: MountEntry) {
        // MAJOR:MINOR; the line goes by the minor number.
        guard entry.type.hasPrefix("fuse"), let minor = entry.device.split(separator: ":").last else { return nil }
        path = FilePath("/sys/fs/fuse/connections/\(minor)/abort")
    }

    /// Ends it: everyone who waits for the program gets an error.
    ///
    /// Best effort: where the folder is not mounted, they wait on.
    func abort() {
        let descriptor = open(path.string, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        write(descriptor, "1", 1)
        close(descriptor)
    }
}
