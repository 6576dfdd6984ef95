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
        try DurableFile.write(encoder.encode(file), to: path(name), isDurable: false)
    }

    /// Reads all files of this boot; the others are deleted.
    package func load() throws -> [VolumeName: VolumeHolders] {
        try Directories.create(directory.removingLastComponent(), mode: 0o711)
        try Directories.create(directory, mode: 0o700)
        var all: [VolumeName: VolumeHolders] = [:]
        for entry in try Directories.entries(of: directory) {
            let path = directory.appending(entry)
            if entry.hasPrefix(".") {
                try remove(path)  // what a crash left in the middle of a write
                continue
            }
            do {
                let file = try JSONDecoder().decode(File.self, from: Data(DurableFile.read(path)))
                if file.bootID == ProcessIdentity.currentBootID {
                    all[try VolumeName(file.name)] = file.holders
                } else {
                    try remove(path)
                }
            } catch {
                // Remove asks the kernel all the same, so what is lost is a count, not the volume.
                logger.warning(
                    "a file of holders cannot be read and is deleted",
                    metadata: ["file.path": "\(path)", "error": "\(error)"])
                try remove(path)
            }
        }
        return all
    }

    private func remove(_ path: FilePath) throws {
        do {
            try Files.unlink(path)
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
            return
        }
    }
}
