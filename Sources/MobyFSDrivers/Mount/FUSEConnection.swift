// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import SystemPackage

/// The kernel's line to the program that serves a FUSE file system.
struct FUSEConnection {
    private let path: FilePath

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
