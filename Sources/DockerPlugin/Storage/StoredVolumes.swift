// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import Synchronization

/// A volume plugin made of a ``VolumeStorage``: remembers which volumes there are and who holds them.
///
/// Each volume has a small JSON file in a folder of the plugin's. It is written before the engine gets its answer, and
/// is whole after a power cut. A file that cannot be read makes its volume one that is there and cannot be used, with
/// the reason under `Status` in `docker volume inspect`; it is not lost.
///
/// - A volume is mounted for the first container and unmounted after the last, and not removed in between. Counts
///   survive a restart of the plugin, and end with the host. Those of an engine that was killed keep no volume from
///   being removed.
/// - Work on one volume is done in order. Whoever reads waits for nothing.
/// - Creating a volume that is there is no error, unless it has other options.
/// - If the engine hangs up, ``VolumeStorage/create(_:)`` and ``VolumeStorage/mount(_:)`` are cancelled, removing and
///   unmounting are not.
public final class StoredVolumes<Storage: VolumeStorage>: VolumePlugin {
    struct Entry {
        let file: String
        /// Nil for a volume whose file cannot be read.
        var content: VolumeFile?
        /// Why the volume cannot be used.
        var trouble: String?
        /// Nil where an earlier process may have mounted the volume, or an unmount failed.
        var isMounted: Bool?
    }

    let storage: Storage
    let folder: VolumeFolder
    let report: @Sendable (String) -> Void
    let entries: Mutex<[String: Entry]>
    private let locks = VolumeLocks()
    private let threads = BlockingThreads()

    /// Makes the plugin, with all volumes that are in the folder.
    ///
    /// - Parameters:
    ///   - storage: What is behind the volumes.
    ///   - directory: The folder for the files, made if it is not there. One process uses it at a time.
    ///   - report: Told in a line each of files that cannot be read or written. Prints to standard error if nil.
    /// - Throws: ``PluginError`` if the folder cannot be used.
    public init(
        _ storage: Storage, in directory: String, report: (@Sendable (String) -> Void)? = nil
    ) throws {
        self.storage = storage
        self.report = report ?? Self.print
        folder = try VolumeFolder(directory)
        let (volumes, damaged) = try folder.load()
        var entries: [String: Entry] = [:]
        for (file, content) in volumes { entries[content.volume.name] = Entry(file: file, content: content) }
        for damage in damaged {
            self.report("'\(damage.file)' cannot be read and is left as it is: \(damage.reason)")
            guard let name = damage.volume, entries[name] == nil else { continue }
            let trouble =
                "'\(damage.file)' cannot be read: \(damage.reason); mend it, or delete it to give the volume up, and "
                + "restart the plugin"
            entries[name] = Entry(file: damage.file, trouble: trouble)
        }
        self.entries = Mutex(entries)
    }

    private static func print(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        // If nobody reads it, nobody is told.
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }

    // MARK: - Work on a volume

    /// Works on a volume, alone, on a thread that may be blocked.
    ///
    /// What is cancelled while it waits for its turn is not begun.
    func alone<Result: Sendable>(
        on name: String, _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withTaskExecutorPreference(threads) { try await locks.withLock(name, body) }
    }

    /// Works to the end, though the engine may have hung up.
    func toTheEnd(_ body: @escaping @Sendable () async throws -> Void) async throws {
        // A task of its own is not cancelled with the call's.
        try await Task(executorPreference: threads) { try await body() }.value
    }

    func entry(_ name: String) -> Entry? {
        entries.withLock { $0[name] }
    }

    func update(_ name: String, _ body: (inout Entry) -> Void) {
        entries.withLock { entries in
            if var entry = entries[name] {
                body(&entry)
                entries[name] = entry
            }
        }
    }

    /// What is on disk of a volume that can be used.
    func content(of entry: Entry, _ name: String) throws -> VolumeFile {
        guard let content = entry.content else {
            throw PluginError("volume '\(name)' is there but cannot be used: \(entry.trouble ?? "")")
        }
        return content
    }

    // MARK: - Creating and removing

    /// Creates a volume; see ``VolumePlugin/create(_:options:)``.
    public func create(_ name: String, options: [String: String]?) async throws {
        try await alone(on: name) { [self] in
            if let entry = entry(name) {
                let volume = try content(of: entry, name).volume
                if let options { try Self.compare(volume, with: options) }
                return
            }
            let now = Date(timeIntervalSince1970: Date.now.timeIntervalSince1970.rounded(.down))
            let content = VolumeFile(volume: StoredVolume(name: name, options: options ?? [:], createdAt: now))
            // First, so that nothing has to be taken back where the disk is full.
            let staged = try folder.stage(content)
            do {
                try await storage.create(content.volume)
            } catch {
                folder.discard(staged)
                throw error
            }
            let file = folder.fileName(for: name)
            try folder.commit(staged, as: file)
            entries.withLock { $0[name] = Entry(file: file, content: content, isMounted: false) }
        }
    }

    private static func compare(_ volume: StoredVolume, with options: [String: String]) throws {
        guard options != volume.options else { return }
        let keys = Set(options.keys).union(volume.options.keys).filter { options[$0] != volume.options[$0] }
        let differences = keys.sorted().map { key in
            "\(key) is \(quoted(volume.options[key])), asked for \(quoted(options[key]))"
        }
        throw PluginError(
            "volume '\(volume.name)' exists with other options: \(differences.joined(separator: "; ")); use the volume "
                + "as it is, or remove it first")
    }

    private static func quoted(_ value: String?) -> String {
        value.map { "'\($0)'" } ?? "not set"
    }

    /// Removes a volume that nobody holds; see ``VolumePlugin/remove(_:)``.
    public func remove(_ name: String) async throws {
        try await toTheEnd { [self] in
            try await alone(on: name) { [self] in
                guard let entry = entry(name) else { return }
                let content = try content(of: entry, name)
                let count = content.mounts.countOfLiving
                guard count == 0 else {
                    throw PluginError(
                        "volume '\(name)' is in use by \(count) mount\(count == 1 ? "" : "s"): remove the containers "
                            + "that use it first")
                }
                if entry.isMounted != false { try await unmount(content.volume) }
                try await storage.remove(content.volume)
                try folder.delete(entry.file)
                entries.withLock { $0[name] = nil }
            }
        }
    }

    func unmount(_ volume: StoredVolume) async throws {
        update(volume.name) { $0.isMounted = nil }
        try await storage.unmount(volume)
        update(volume.name) { $0.isMounted = false }
    }
}
