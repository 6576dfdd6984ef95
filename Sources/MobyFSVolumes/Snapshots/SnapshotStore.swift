// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import Logging
import MobyFSHost
import SystemPackage

/// What a volume held at one moment.
package struct Snapshot: Hashable, Sendable {
    package let name: VolumeName
    package let createdAt: Date
    /// Whether the schedule has made it, and may take it away.
    package let isScheduled: Bool
    /// The volume as it was then.
    package let volume: Volume
}

/// The snapshots of one volume, which go with it wherever it goes.
///
/// ```
/// volumes/NAME/snapshots/SNAPSHOT/snapshot.json   when it was made, and the volume's record of then
/// volumes/NAME/snapshots/SNAPSHOT/CONTENT         what the volume's data is in, such as image
/// volumes/NAME/snapshots/.new-*/                  a snapshot that is being made or deleted
/// ```
/// All calls block.
struct SnapshotStore: Sendable {
    private static let stagingPrefix = ".new-"
    /// What a volume's content ends with while it changes places with another.
    private static let oldSuffix = ".old"

    /// The volume's own directory.
    private let volume: FilePath
    let root: FilePath
    private let discard: @Sendable (FilePath) -> Void

    /// - Parameters:
    ///   - volume: The volume's own directory.
    ///   - discard: Deletes a directory with whatever drivers have put there; what cannot be deleted stays.
    init(in volume: FilePath, discard: @escaping @Sendable (FilePath) -> Void) {
        self.volume = volume
        root = volume.appending("snapshots")
        self.discard = discard
    }

    func directory(of name: VolumeName) -> FilePath { root.appending(name.description) }

    /// All of them, the oldest first; what does not parse is none.
    func all() throws -> [Snapshot] {
        guard Directories.isRealDirectory(root) else { return [] }
        return try Directories.entries(of: root).compactMap { entry in
            // Half of one, or somebody else's.
            (try? VolumeName(entry)).flatMap { try? snapshot($0) }
        }.sorted { ($0.createdAt, $0.name) < ($1.createdAt, $1.name) }
    }

    /// One of them.
    ///
    /// - Throws: ``SystemCallError`` with `noSuchFileOrDirectory` if there is none of the name.
    func snapshot(_ name: VolumeName) throws -> Snapshot {
        let folder = directory(of: name)
        let record = try RecordMembers(parsing: DurableFile.read(folder.appending("snapshot.json")))
        return Snapshot(
            name: name, createdAt: try record.required("createdAt"),
            isScheduled: try record.optional("isScheduled") ?? false, volume: try VolumeRecord.read(in: folder))
    }

    /// Makes a directory for a snapshot to be made in; what earlier attempts have left goes.
    func stage() throws -> FilePath {
        try Directories.create(root, mode: 0o700)
        guard Directories.isRealDirectory(root) else {
            throw VolumeError(
                .unavailable, "'\(root)' is no folder, or a symbolic link, which is not followed: put the folder back")
        }
        try recover()
        for staging in try staged() { discard(staging) }
        let path = root.appending("\(Self.stagingPrefix)\(String(UInt64.random(in: 0...UInt64.max), radix: 36))")
        try Directories.create(path, mode: 0o700, isDurable: false)
        return path
    }

    /// What is staged, by this process or by one that was cut off.
    func staged() throws -> [FilePath] {
        guard Directories.isRealDirectory(root) else { return [] }
        return try Directories.entries(of: root).filter { $0.hasPrefix(Self.stagingPrefix) }.map { root.appending($0) }
            .filter { Directories.isRealDirectory($0) }
    }

    /// Makes a staged directory a snapshot: after this it survives a power cut.
    func commit(_ staging: FilePath, as snapshot: Snapshot) throws {
        try DurableFile.write(VolumeRecord.encode(snapshot.volume), to: staging.appending(VolumeRecord.fileName))
        try write(snapshot, in: staging)
        try DurableFile.rename(staging, to: directory(of: snapshot.name))
    }

    /// Says of a snapshot that is there when it was made.
    func date(_ snapshot: Snapshot) throws {
        try write(snapshot, in: directory(of: snapshot.name))
    }

    private func write(_ snapshot: Snapshot, in folder: FilePath) throws {
        var record = RecordMembers()
        record.set("createdAt", snapshot.createdAt)
        record.set("isScheduled", snapshot.isScheduled ? true : nil)
        try DurableFile.write(record.bytes, to: folder.appending("snapshot.json"))
    }

    // MARK: - Putting content in place

    /// Lets a volume's content and what was staged change places.
    ///
    /// In one step where the file system has it (ext4, xfs, btrfs), else in three, between which ``recover()`` puts things
    /// right after a crash (GlusterFS, NFS).
    static func exchange(_ content: FilePath, with staged: FilePath) throws {
        do {
            try Files.exchange(staged, with: content)
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
            // One of them is missing: the content is gone, or is to be so again.
            try (try? FileID(of: content)) == nil
                ? Files.rename(staged, to: content) : Files.rename(content, to: staged)
        } catch let error as SystemCallError where [.invalidArgument, .noFunction, .notSupported].contains(error.errno)
        {
            let old = FilePath(staged.string + oldSuffix)
            try Files.rename(content, to: old)
            do {
                try Files.rename(staged, to: content)
            } catch {
                try Files.rename(old, to: content)
                throw error
            }
            try Files.rename(old, to: staged)
        }
    }

    /// Puts content back that a crash has left out of place.
    ///
    /// - Returns: Whether there was any.
    @discardableResult
    func recover() throws -> Bool {
        let displaced = try displaced()
        for (old, content) in displaced { try DurableFile.rename(old, to: content) }
        return !displaced.isEmpty
    }

    /// Content that a crash has left out of place, and its place.
    func displaced() throws -> [(old: FilePath, content: FilePath)] {
        try staged().flatMap { staging in
            try Directories.entries(of: staging).filter { $0.hasSuffix(Self.oldSuffix) }.compactMap { old in
                let content = volume.appending(String(old.dropLast(Self.oldSuffix.count)))
                return (try? FileID(of: content)) == nil ? (staging.appending(old), content) : nil
            }
        }
    }

    /// Deletes what was staged.
    func takeBack(_ staging: FilePath) { discard(staging) }

    /// Deletes a snapshot.
    func remove(_ name: VolumeName) throws {
        let unique = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        let place = root.appending("\(Self.stagingPrefix)\(unique)")
        try DurableFile.rename(directory(of: name), to: place)
        discard(place)
        // With the last one goes the folder.
        Directories.removeIfEmpty(root)
    }
}
