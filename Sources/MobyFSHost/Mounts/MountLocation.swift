// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// Where a directory is, in the kernel's terms: on which file system, and at which place of it.
///
/// A container that has the directory, or one below it, shows a mount of the same device with that root,
/// whatever the paths are called.
package struct MountLocation: Hashable, Sendable {
    /// The mount that the directory is on.
    package let covering: MountEntry
    /// The directory's place inside its file system.
    package let root: FilePath
    /// Its path, with all symbolic links followed.
    private let path: FilePath

    /// Looks a directory up.
    ///
    /// - Parameters:
    ///   - path: An existing directory.
    ///   - table: The mounts of this process.
    /// - Throws: ``SystemCallError`` if the directory cannot be opened.
    package init(of path: FilePath, in table: MountTable) throws {
        let descriptor = try check(open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open '\(path)'")
        defer { close(descriptor) }
        var facts = mobyfs_file_facts()
        let failure = mobyfs_file_facts(descriptor, &facts)
        guard failure == 0 else { throw SystemCallError("statx '\(path)'", Errno(rawValue: failure)) }
        guard let covering = table.entry(id: facts.mount_id) else {
            throw SystemCallError("find the mount of '\(path)'", .noSuchFileOrDirectory)
        }
        self.covering = covering
        let link = "/proc/self/fd/\(descriptor)"
        guard let resolved = Files.target(ofLink: link) else {
            throw SystemCallError("readlink '\(link)'", Errno(rawValue: errno))
        }
        self.path = FilePath(resolved)
        var inside = self.path
        _ = inside.removePrefix(covering.mountpoint)
        root = covering.root.pushing(inside)
    }

    /// Looks a directory up by its path alone, without touching the file system that it is on.
    ///
    /// There is none where nothing is mounted at the path, nor above it.
    ///
    /// - Parameters:
    ///   - path: A path without symbolic links.
    ///   - table: The mounts of this process.
    package init?(ofMounted path: FilePath, in table: MountTable) {
        // Of those at one place the last is on top.
        let covering = table.entries.filter { path.starts(with: $0.mountpoint) }
            .max { $0.mountpoint.components.count < $1.mountpoint.components.count }
        guard let place = covering?.mountpoint, let top = table.entries.last(where: { $0.mountpoint == place }) else {
            return nil
        }
        self.covering = top
        self.path = path
        var inside = path
        _ = inside.removePrefix(place)
        root = top.root.pushing(inside)
    }

    /// Whether a mount that shows the directory, or something below it, has it just where this process has it too.
    package func isInPlace(_ entry: MountEntry) -> Bool {
        var below = entry.root
        _ = below.removePrefix(root)
        return entry.mountpoint == path.pushing(below)
    }

    /// Whether a mount shows the directory or something below it.
    package func isShown(by entry: MountEntry) -> Bool {
        entry.device == covering.device && entry.root.starts(with: root)
    }
}
