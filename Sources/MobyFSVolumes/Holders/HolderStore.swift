// SPDX-License-Identifier: Apache-2.0

package import Logging
import MobyFSHost
import Synchronization
package import SystemPackage

/// Keeps who holds which volume in `holders/NAME.json` of the runtime directory.
///
/// The files speak of mounts, and like mounts they do not outlive a boot.
package struct HolderStore: Sendable {
    private let directory: FilePath
    private let open = OpenHolderFiles()
    private let logger: Logger

    package init(runtimeDirectory: FilePath, logger: Logger) {
        directory = runtimeDirectory.appending("holders")
        self.logger = logger
    }

    private func path(_ name: VolumeName) -> FilePath {
        directory.appending(name.fileName(suffix: ".json"))
    }

    /// Writes who holds a volume; nobody leaves no file.
    ///
    /// - Parameters:
    ///   - holders: All who hold it.
    ///   - name: The volume.
    ///   - id: The only mount ID of which anything has changed; nil where there may be more, or nobody was noted before.
    /// - Throws: ``SystemCallError``; the file says what it said.
    package func save(_ holders: VolumeHolders, of name: VolumeName, changed id: String? = nil) throws {
        if holders.isEmpty {
            open.close(name)
            try remove(path(name))
            return
        }
        if let id, add(id, of: holders, to: name) { return }
        open.close(name)
        // Somebody may have cleaned up.
        try Directories.create(directory.removingLastComponent(), mode: 0o710, isDurable: false)
        try Directories.create(directory, mode: 0o700, isDurable: false)
        let file = HolderFile(name: name, bootID: ProcessIdentity.currentBootID, holders: holders)
        try DurableFile.write(file.bytes, to: path(name), isDurable: false)
    }

    /// Adds to a volume's file what has become of one mount ID.
    ///
    /// - Parameters:
    ///   - id: The mount ID.
    ///   - holders: All who hold the volume by now.
    ///   - name: The volume.
    ///   - atOnce: Whether no disk may be waited for.
    /// - Returns: Whether the file says it now; if not, it says what it said, and can be written anew.
    package func add(_ id: String, of holders: VolumeHolders, to name: VolumeName, atOnce: Bool = false) -> Bool {
        guard let file = open.file(name, at: { path(name) }), file.isInMemory || !atOnce else { return false }
        return file.append(HolderFile.line(on: id, of: holders), upTo: HolderFile.sizeLimit(of: holders))
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
    private func read(_ path: FilePath) -> HolderFile? {
        do {
            let file = try HolderFile(reading: DurableFile.read(path, limit: 1 << 28))
            return file.bootID == ProcessIdentity.currentBootID ? file : nil
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

/// The files of volumes whose holders have changed lately.
///
/// To open one anew for each change takes longer than the change.
private final class OpenHolderFiles: Sendable {
    private static let limit = 64

    private let files = Mutex<[VolumeName: AppendedFile]>([:])

    /// The file of a volume; nil if there is none.
    func file(_ name: VolumeName, at path: () -> FilePath) -> AppendedFile? {
        if let file = files.withLock({ $0[name] }) { return file }
        guard let file = AppendedFile(path()) else { return nil }
        files.withLock { files in
            if files.count == Self.limit { files.removeAll(keepingCapacity: true) }
            files[name] = file
        }
        return file
    }

    func close(_ name: VolumeName) {
        files.withLock { $0[name] = nil }
    }
}
