// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// What of this host is made of a directory's files, or stands in it: what goes wrong when the directory is deleted.
package enum DirectoryUse: Hashable, Sendable {
    /// Something is mounted in it.
    case mounted(MountEntry)
    /// An overlay has a layer in it.
    case layer(of: MountEntry)
    /// A loop device has a file of it.
    case attached(LoopDevice, file: FilePath)
    /// The kernel swaps to a file of it.
    case swap(file: FilePath)

    /// Looks for a use, and asks no file system for it.
    ///
    /// Whatever only another mount namespace shows, with paths of its own, is not seen. Blocks.
    ///
    /// - Parameters:
    ///   - directory: A path without symbolic links.
    ///   - table: The mounts of this process.
    ///   - own: A loop device that may have a file of it.
    /// - Returns: One use; nil if there is none.
    /// - Throws: ``SystemCallError`` if the kernel does not tell.
    package static func first(
        of directory: FilePath, in table: MountTable, but own: FilePath? = nil
    ) throws -> DirectoryUse? {
        if let mount = table.mount(within: directory) { return .mounted(mount) }
        if let overlay = table.entries.first(where: { entry in
            entry.layers.contains { $0.starts(with: directory) }
        }) {
            return .layer(of: overlay)
        }
        let attached = try LoopDevice.backingFiles().first { device, file in
            file.starts(with: directory) && device.path != own
        }
        if let (device, file) = attached { return .attached(device, file: file) }
        return try swapFiles().first { $0.starts(with: directory) }.map { .swap(file: $0) }
    }

    /// The first column of /proc/swaps, below its heading.
    private static func swapFiles() throws -> [FilePath] {
        let bytes: [UInt8]
        do {
            bytes = try DurableFile.read("/proc/swaps")
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
            // A kernel without swap.
            return []
        }
        return bytes.split(separator: UInt8(ascii: "\n")).dropFirst().compactMap { line in
            line.split(separator: UInt8(ascii: " ")).first.map { FilePath(MountEntry.unescape($0)) }
        }
    }
}

extension MountEntry {
    /// The directories that an overlay is made of, as far as they were given in full.
    fileprivate var layers: [FilePath] {
        guard OverlayLayers.types.contains(type) else { return [] }
        return options.split(separator: ",").flatMap { option -> [FilePath] in
            let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, OverlayLayers.options.contains(parts[0]) else { return [] }
            return OverlayLayers.folders(in: parts[1]).map { FilePath($0) }
        }
    }
}
