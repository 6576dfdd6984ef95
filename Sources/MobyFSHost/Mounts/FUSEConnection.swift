// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage

/// The kernel's line to the program that serves a FUSE file system.
package struct FUSEConnection: Hashable, Sendable {
    private let folder: FilePath

    private static let variable = "MOBYFS_MOUNT"

    /// What the programs bear that serve a mountpoint.
    package static func mark(of mountpoint: FilePath) -> HelperMark {
        HelperMark(variable, mountpoint.string)
    }

    /// The mountpoints of the file systems that programs serve which were started with the mark, be it that they hang.
    ///
    /// Looks at no file system, for that would wait with all others for a program that hangs. Blocks.
    package static func servedMountpoints() -> Set<FilePath> {
        let bearers = HelperMark.bearers(of: variable).filter { process, _ in
            // It may have ended meanwhile.
            let descriptors = (try? Directories.entries(of: FilePath("/proc/\(process)/fd"))) ?? []
            return descriptors.contains { Files.target(ofLink: "/proc/\(process)/fd/\($0)") == "/dev/fuse" }
        }
        return Set(bearers.map { FilePath($0.value) })
    }

    /// Finds the line of a mount; nil if it is no FUSE.
    package init?(of entry: MountEntry) {
        // MAJOR:MINOR; the line goes by the minor number.
        guard entry.type.hasPrefix("fuse"), let minor = entry.device.split(separator: ":").last else { return nil }
        folder = FilePath("/sys/fs/fuse/connections/\(minor)")
    }

    /// Whether somebody waits for the program just now.
    ///
    /// Blocks.
    package var isWaitedFor: Bool {
        // Where the folder is not mounted, nothing is known.
        let bytes = (try? DurableFile.read(folder.appending("waiting"))) ?? []
        return (Int(String(decoding: bytes, as: UTF8.self).filter(\.isNumber)) ?? 0) > 0
    }

    /// The lines of what is mounted below a directory that somebody waits for.
    ///
    /// Blocks.
    package static func waitedFor(below directory: FilePath) throws -> Set<FUSEConnection> {
        let entries = try MountTable().entries.filter { $0.mountpoint.starts(with: directory) }
        return Set(entries.compactMap { FUSEConnection(of: $0) }.filter(\.isWaitedFor))
    }

    /// Ends it: everyone who waits for the program gets an error.
    ///
    /// Best effort: where the folder is not mounted, they wait on.
    package func abort() {
        let descriptor = open(folder.appending("abort").string, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        write(descriptor, "1", 1)
        close(descriptor)
    }
}
