// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
package import Logging
import MobyFSHost
package import SystemPackage

/// The pool: volumes on disk, each a directory that describes itself.
///
/// ```
/// volumes/NAME/record.json   what was asked for; and the same in record.json.copy
/// volumes/NAME/secrets.json  the passwords among it, where there are any
/// volumes/NAME/data/         the data of a directory volume
/// volumes/NAME/snapshots/    see ``SnapshotStore``
/// volumes/.new-*/            a volume that is being created, or what is to be deleted; in a pool of several hosts,
///                            .new-HOST-*
/// trash/NAME.TIME/           a volume that was removed
/// quarantine/NAME/           a volume whose record does not parse, with reason.txt
/// ```
/// All calls block.
package struct VolumeStore: Sendable {
    /// What was found in the pool.
    package struct Contents: Sendable {
        package var volumes: [Volume] = []
        /// Volumes that are there but cannot be served, and why.
        package var troubled: [VolumeName: String] = [:]
        /// Half-made volumes that could not be deleted.
        var leftovers: [FilePath] = []
    }

    package let root: FilePath
    let volumes: FilePath
    let quarantine: FilePath
    /// Where volumes go that are removed.
    package let trash: Trash
    let logger: Logger
    /// Takes apart what only a driver can in a directory that is to be deleted.
    private let purge: @Sendable (FilePath) throws -> Void

    package init(
        root: FilePath, logger: Logger, purge: @escaping @Sendable (FilePath) throws -> Void = { _ in }
    ) {
        self.root = root
        volumes = root.appending("volumes")
        quarantine = root.appending("quarantine")
        trash = Trash(root: root.appending("trash"), logger: logger, purge: purge)
        self.logger = logger
        self.purge = purge
    }

    /// What the names of half-made volumes begin with; no volume's does.
    static let stagingPrefix = ".new-"

    private static let secretsName = "secrets.json"
    static let reasonName = "reason.txt"

    /// A volume's own directory.
    package func directory(of name: VolumeName) -> FilePath {
        volumes.appending(name.description)
    }

    // MARK: - Reading

    /// Makes the pool's directories where they are missing.
    ///
    /// As in the engine's own folder, no user of the host passes through: containers leave programs with set-user-ID bits
    /// and device nodes in their volumes.
    package func prepare() throws {
        try Directories.create(root, mode: 0o710)
        try Directories.create(volumes, mode: 0o711)
        try trash.prepare()
        try Directories.create(quarantine, mode: 0o700)
    }

    /// Throws an error where something is mounted over the folder of the volumes.
    ///
    /// Without it, other volumes would be there; and none could be moved to the trash.
    func requireWhole(at place: StoragePlace) throws {
        guard try place.isMountedOver(at: volumes) else { return }
        throw VolumeError(
            .unavailable,
            "another file system is mounted at '\(volumes)': unmount it there; the one with the volumes belongs at '\(root)', with "
                + "all that is in there")
    }

    /// Reads all records.
    ///
    /// What cannot be served is set aside, and the rest is not touched by it.
    ///
    /// - Parameter isAbandoned: Whether what a host has left half-made is to be deleted; nil where no other host has the
    ///   pool. Where others do, nothing is set aside: they may be using it.
    /// - Returns: All volumes.
    /// - Throws: ``SystemCallError`` if the pool cannot be read.
    package func load(amongHosts isAbandoned: (@Sendable (_ host: String) -> Bool)? = nil) throws -> Contents {
        // To read a record takes the kernel about as long as it takes this process to understand it.
        let folder = try OpenDirectory(volumes)
        let parts = Parallel.parts(of: try Directories.kindsOfEntries(of: volumes)) { entries in
            var contents = Contents()
            for (entry, isDirectory) in entries {
                load(entry, isDirectory: isDirectory, from: folder, into: &contents, amongHosts: isAbandoned)
            }
            return contents
        }
        var contents = parts.reduce(into: Contents()) { $0.add($1) }
        for entry in existingEntries(of: quarantine) {
            guard Directories.isRealDirectory(quarantine.appending(entry)), let name = try? VolumeName(entry),
                !contents.has(name)
            else { continue }
            contents.troubled[name] = troubleInQuarantine(name)
        }
        return contents
    }

    private func load(
        _ entry: String, isDirectory: Bool, from folder: OpenDirectory, into contents: inout Contents,
        amongHosts isAbandoned: ((_ host: String) -> Bool)?
    ) {
        if entry.hasPrefix(Self.stagingPrefix) {
            let host = entry.dropFirst(Self.stagingPrefix.count).prefix { $0 != "-" }
            let staging = volumes.appending(entry)
            if isAbandoned?(String(host)) ?? true, !discard(staging) { contents.leftovers.append(staging) }
        } else if isDirectory, let name = try? VolumeName(entry) {
            load(name, from: folder, into: &contents, isShared: isAbandoned != nil)
        } else if let trouble = troubleWithLink(entry) {
            contents.troubled[trouble.name] = trouble.reason
        } else {
            logger.warning(
                "something that is no volume is left alone",
                metadata: ["file.path": "\(volumes.appending(entry))"])
        }
    }

    /// What is to be said of a link with the name of a volume, which whoever made it takes for one.
    func troubleWithLink(_ entry: String) -> (name: VolumeName, reason: String)? {
        guard Files.isLink(volumes.appending(entry)), let name = try? VolumeName(entry) else { return nil }
        return (
            name,
            "'\(volumes.appending(entry))' is a symbolic link, which is not followed: put the folder itself there, or mount "
                + "what it leads to in its place"
        )
    }

    private func load(
        _ name: VolumeName, from folder: OpenDirectory, into contents: inout Contents, isShared: Bool
    ) {
        do {
            contents.volumes.append(try VolumeRecord.read(of: name, in: folder))
        } catch let problem as VolumeRecord.Problem {
            if case .damaged = problem, !isShared {
                contents.troubled[name] = setAside(name, because: "\(problem)")
            } else {
                contents.troubled[name] = "\(problem)"
            }
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory && !isShared {
            let directory = directory(of: name)
            // Where a disk is to be mounted, its mountpoint stays.
            contents.troubled[name] =
                (try? Directories.entries(of: directory))?.isEmpty == true
                ? "its folder '\(directory)' is empty: mount the file system that belongs there and run 'mobyfs doctor --fix', or "
                    + "remove the folder and restart mobyfs"
                : setAside(name, because: "it has no record.json")
        } catch {
            // The disk may be sick for a moment only: the volume stays where it is.
            contents.troubled[name] = "its record cannot be read: \(error)"
        }
    }

    /// Moves a volume's directory to the quarantine and says what is wrong with it.
    private func setAside(_ name: VolumeName, because reason: String) -> String {
        let place = quarantine.appending(name.description)
        do {
            try Directories.create(quarantine, mode: 0o700)
            try DurableFile.write(
                "\(reason)\n".utf8, to: directory(of: name).appending(Self.reasonName), isDurable: false)
            // Not durable: a start waits for it, and after a power cut the next one does the same again.
            try Files.rename(directory(of: name), to: place)
            logger.error(
                "a volume is set aside",
                metadata: ["volume.name": "\(name)", "error": "\(reason)", "file.path": "\(place)"])
            return troubleInQuarantine(name)
        } catch {
            logger.error(
                "a volume cannot be served, nor set aside",
                metadata: ["volume.name": "\(name)", "error": "\(reason); \(error)"])
            return reason
        }
    }

    private func troubleInQuarantine(_ name: VolumeName) -> String {
        let place = quarantine.appending(name.description)
        // The reason is a help for people and may be missing.
        let bytes = (try? DurableFile.read(place.appending(Self.reasonName))) ?? []
        let reason = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        return "set aside in '\(place)' because \(reason.isEmpty ? "of its record" : reason)\(Finding.pointer)"
    }

    /// Whether there is nothing of a volume, neither in its place nor set aside.
    ///
    /// - Throws: ``SystemCallError`` if that cannot be seen.
    func lacks(_ name: VolumeName) throws -> Bool {
        try [volumes, quarantine].allSatisfy { folder in
            do {
                _ = try Files.isDirectory(folder.appending(name.description), followingLinks: false)
                return false
            } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
                return true
            }
        }
    }

    private func existingEntries(of path: FilePath) -> [String] {
        do {
            return try Directories.entries(of: path)
        } catch {
            logger.debug("a folder of the pool cannot be read", metadata: ["error": "\(error)"])
            return []
        }
    }

    // MARK: - Writing

    /// Runs `body` with the same pool by a way that leads to it, whatever is mounted over it meanwhile.
    ///
    /// - Parameters:
    ///   - place: Where the pool has to be.
    ///   - body: What is to be written there and nowhere else.
    /// - Returns: What `body` does.
    /// - Throws: ``VolumeError`` if it is somewhere else by now, and what `body` throws.
    func pinned<Result>(at place: StoragePlace?, _ body: (VolumeStore) throws -> Result) throws -> Result {
        try StoragePlace.with(root) { found, path in
            guard found == place else {
                throw VolumeError(
                    .unavailable,
                    "another file system was mounted at '\(root)' meanwhile, and nothing was changed there: try again")
            }
            do {
                return try body(VolumeStore(root: path, logger: logger, purge: purge))
            } catch {
                throw error.telling(of: path, as: root)
            }
        }
    }

    /// Makes a directory for a volume to be created in.
    ///
    /// - Parameter sharing: The hosts that share the pool; nil where there are none.
    /// - Returns: The directory.
    /// - Throws: ``SystemCallError``.
    func stage(for sharing: SharedPool?) throws -> FilePath {
        let path = stagingPath(for: sharing)
        // Nothing is lost with it before commit(_:as:), which syncs what is in it and then its name.
        try Directories.create(path, mode: 0o711, isDurable: false)
        try sharing?.open(path)
        return path
    }

    private func stagingPath(for sharing: SharedPool?) -> FilePath {
        let unique = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        let host = sharing?.id.map { "\($0)-" } ?? ""
        return volumes.appending("\(Self.stagingPrefix)\(host)\(unique)")
    }

    /// Whether a snapshot or restore of a volume is under way, or was cut off.
    func hasStaged(_ name: VolumeName) -> Bool {
        let snapshots = SnapshotStore(in: directory(of: name)) { _ in }
        // What cannot be read has nothing that could be deleted.
        return (try? snapshots.staged())?.isEmpty == false
    }

    /// Takes out of a volume what a snapshot or restore that was cut off has left, to be discarded while others work on it.
    ///
    /// Needs the volume's lock. Content that is to be put back in its place stays, with all that is beside it.
    ///
    /// - Parameters:
    ///   - name: The volume.
    ///   - isHeld: Whether somebody uses it.
    ///   - sharing: The hosts that share the pool; nil where there are none.
    /// - Returns: Where it is now.
    /// - Throws: ``SystemCallError``; what was not taken out is where it was.
    func takeStaged(of name: VolumeName, isHeld: Bool, for sharing: SharedPool?) throws -> [FilePath] {
        let snapshots = SnapshotStore(in: directory(of: name)) { discard($0) }
        guard try snapshots.displaced().isEmpty else { return [] }
        var taken: [FilePath] = []
        for staging in try snapshots.staged() {
            if (try? FileID(of: staging.appending(VolumeRecord.fileName))) != nil {
                // It may have been the volume's own content, whose limit goes with it and is set again by a Mount.
                if !isHeld { snapshots.takeBack(staging) }
            } else {
                let place = stagingPath(for: sharing)
                // Not durable: after a power cut it is found again.
                try Files.rename(staging, to: place)
                taken.append(place)
            }
        }
        // With the last one goes the folder.
        Directories.removeIfEmpty(snapshots.root)
        return taken
    }

    /// Makes a staged directory a volume: after this it survives a power cut, before it there was nothing.
    func commit(_ staging: FilePath, as volume: Volume) throws {
        let staging = staging.lastComponent.map { volumes.appending($0) } ?? staging
        try VolumeRecord.write(volume, in: staging, isNew: true)
        try give(staging, volume.name)
    }

    /// Puts a directory where a volume's is.
    ///
    /// - Throws: ``VolumeError`` with code `alreadyExists` if something is there already, and ``SystemCallError``; the
    ///   directory is where it was.
    private func give(_ directory: FilePath, _ name: VolumeName) throws {
        let place = self.directory(of: name)
        do {
            try DurableFile.rename(directory, to: place)
        } catch let error as SystemCallError
            where [.directoryNotEmpty, .fileExists, .notDirectory].contains(error.errno)
        {
            throw VolumeError(
                .alreadyExists,
                "'\(place)' is there without being a volume: see what 'mobyfs doctor' says of it, or choose another "
                    + "name")
        }
    }

    /// Keeps passwords in a volume's directory, apart from its record.
    func save(_ secrets: [String: Secret], in directory: FilePath) throws {
        let path = directory.appending(Self.secretsName)
        guard !secrets.isEmpty else {
            do {
                try Files.unlink(path)
            } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
                return
            }
            return
        }
        try DurableFile.write(JSONEncoder().encode(secrets), to: path)
    }

    /// The passwords of a volume.
    func secrets(of name: VolumeName) throws -> [String: Secret] {
        let bytes = try DurableFile.read(directory(of: name).appending(Self.secretsName))
        return try JSONDecoder().decode([String: Secret].self, from: Data(bytes))
    }

    /// Deletes a staged directory.
    ///
    /// - Returns: Whether it is gone.
    @discardableResult
    func discard(_ staging: FilePath) -> Bool {
        guard Directories.isRealDirectory(staging) else { return true }
        do {
            try purge(staging)
            try TreeRemover.remove(staging)
            return true
        } catch {
            logger.warning(
                "a half-made volume cannot be deleted and stays for now",
                metadata: ["file.path": "\(staging)", "error": "\(error)"])
            return false
        }
    }

    /// Replaces a volume's record.
    func save(_ volume: Volume) throws {
        try VolumeRecord.write(volume, in: directory(of: volume.name))
    }

    /// Gives a volume's directory the name of the volume, and makes its record say so too.
    ///
    /// The record, which needs room on the disk, comes first; after a crash in between, it is the directory that counts.
    ///
    /// - Throws: ``SystemCallError``, and ``VolumeError`` if something else has the new name; the directory has the name
    ///   it had.
    func rename(_ old: VolumeName, to volume: Volume) throws {
        try VolumeRecord.write(volume, in: directory(of: old))
        try give(directory(of: old), volume.name)
    }

    /// Throws if volumes can be moved nowhere: on a file system that is mounted read-only, for example.
    func requireWritable() throws {
        try trash.prepare()
        for folder in [volumes, trash.root] { try Directories.requireWritable(folder) }
    }
}

extension VolumeStore.Contents {
    fileprivate mutating func add(_ other: Self) {
        volumes += other.volumes
        troubled.merge(other.troubled) { $1 }
        leftovers += other.leftovers
    }

    fileprivate func has(_ name: VolumeName) -> Bool {
        troubled[name] != nil || volumes.contains { $0.name == name }
    }
}
