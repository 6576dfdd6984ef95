// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
package import Logging
import MobyFSHost
package import SystemPackage

/// Keeps who holds which volume in `holders/NAME.json` of the runtime directory.
///
/// The files speak of mounts, and like mounts they do not outlive a boot.
package struct HolderStore: Sendable {
    private struct File: Codable {
        var name: String
        var bootID: String
        var holders: VolumeHolders
    }

    private let directory: FilePath
    private let logger: Logger

    package init(runtimeDirectory: FilePath, logger: Logger) {
        directory = runtimeDirectory.appending("holders")
        self.logger = logger
    }

    private func path(_ name: VolumeName) -> FilePath {
        directory.appending(name.fileName(suffix: ".json"))
    }

    /// Writes who holds a volume; nobody leaves no file.
    package func save(_ holders: VolumeHolders, of name: VolumeName) throws {
        if holders.isEmpty {
            try remove(path(name))
            return
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let file = File(name: name.description, bootID: ProcessIdentity.currentBootID, holders: holders)
        // Somebody may have cleaned up.
        try Directories.create(directory.removingLastComponent(), mode: 0o710, isDurable: false)
        try Directories.create(directory, mode: 0o700, isDurable: false)
        try DurableFile.write(encoder.encode(file), to: path(name), isDurable: false)
    }

    /// Reads all files of this boot; the others are deleted.
    ///
    /// Remove asks the kernel all the same, so what cannot be read is a count that is lost, and not a volume.
    package func load() -> [VolumeName: VolumeHolders] {
        var all: [VolumeName: VolumeHolders] = [:]
        do {
            try Directories.create(directory.removingLastComponent(), mode: 0o710)
            try Directories.create(directory, mode: 0o700)
            for entry in try Directories.entries(of: directory) {
                // What begins with a dot, a crash left in the middle of a write.
                if !entry.hasPrefix("."), let file = read(directory.appending(entry)) {
                    all[file.name] = file.holders
                } else {
                    discard(directory.appending(entry))
                }
            }
        } catch {
            logger.error("it cannot be read who holds which volume", metadata: ["error": "\(error)"])
        }
        return all
    }

    /// What a file says; nil if it is of an earlier boot or makes no sense.
    private func read(_ path: FilePath) -> (name: VolumeName, holders: VolumeHolders)? {
        do {
            let file = try JSONDecoder().decode(File.self, from: Data(DurableFile.read(path, limit: 1 << 28)))
            guard file.bootID == ProcessIdentity.currentBootID else { return nil }
            guard file.holders.isPlausible else { throw VolumeError(.io, "its counts make no sense") }
            return (try VolumeName(file.name), file.holders)
        } catch {
            logger.warning(
                "a file of holders cannot be read and is deleted",
                metadata: ["file.path": "\(path)", "error": "\(error)"])
            return nil
        }
    }

    private func discard(_ path: FilePath) {
        do {
            try remove(path)
        } catch {
            logger.warning("a file of holders stays behind", metadata: ["error": "\(error)"])
        }
    }

    private func remove(_ path: FilePath) throws {
        do {
            try Files.unlink(path)
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
            return
        }
    }
}
