// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import Glibc
import Logging
import MobyFSHost
import SystemPackage

/// The removed volumes of a pool, each in a folder `NAME.TIME-UNIQUE` as it was, record and all.
///
/// What becomes of one its record says, unless the folder's name ends with `+keep` or `+purge`: it can change in one step.
/// All calls block.
package struct Trash: Sendable {
    /// What becomes of what is in the trash.
    package enum Fate: Sendable {
        /// It stays until somebody empties the trash, or its time is up.
        case stays
        /// It is deleted.
        case goes
    }

    /// A removed volume.
    package struct Item: Sendable {
        /// What tells it from others of its name.
        package let id: String
        package let volume: Volume
        package let removedAt: Date?
        package let fate: Fate
        /// When it will be deleted; nil if somebody has to say so.
        package let expiresAt: Date?

        fileprivate let place: FilePath
    }

    let root: FilePath
    private let logger: Logger
    /// Takes apart what only a driver can.
    private let purge: @Sendable (FilePath) throws -> Void

    private static let marks: [(suffix: String, fate: Fate)] = [("+keep", .stays), (longestMark, .goes)]
    private static let longestMark = "+purge"

    init(root: FilePath, logger: Logger, purge: @escaping @Sendable (FilePath) throws -> Void) {
        self.root = root
        self.logger = logger
        self.purge = purge
    }

    /// Takes in a volume's directory, in one step.
    ///
    /// - Parameters:
    ///   - directory: The volume's.
    ///   - name: The volume's.
    ///   - fate: What is to become of it; nil for what its record says.
    ///   - time: When it was removed.
    /// - Returns: Where it is now.
    /// - Throws: ``SystemCallError``; it is where it was.
    func take(
        _ directory: FilePath, of name: VolumeName, fate: Fate? = nil, at time: Date = .now
    ) throws -> FilePath {
        try prepare()
        let stamp = time.formatted(Self.stamp)
        let unique = String(UInt32.random(in: 0...UInt32.max), radix: 36)
        let mark = Self.marks.first { $0.fate == fate }?.suffix ?? ""
        // With room for any mark that may follow.
        let room = name.fileName(suffix: ".\(stamp)-\(unique)\(Self.longestMark)")
        let place = root.appending(room.dropLast(Self.longestMark.count) + mark)
        try DurableFile.rename(directory, to: place)
        return place
    }

    func prepare() throws {
        try Directories.create(root, mode: 0o700)
    }

    /// The start of 2026: before there was mobyfs, nothing was removed.
    ///
    /// A clock without a battery begins in the past.
    private static let firstDate = Date(timeIntervalSince1970: 1_767_225_600)

    private static let stamp = Date.ISO8601FormatStyle().dateSeparator(.omitted).timeSeparator(.omitted)

    /// What is in the trash, the oldest first; what has no readable record is not told of.
    package func items() throws -> [Item] {
        try Directories.entries(of: root).compactMap { item(named: $0) }
            .sorted { ($0.removedAt ?? .distantPast, $0.id) < ($1.removedAt ?? .distantPast, $1.id) }
    }

    private func item(named entry: String) -> Item? {
        let place = root.appending(entry)
        // Somebody else's file, or half of a purge: nobody can restore it.
        guard Directories.isRealDirectory(place),
            let volume = try? VolumeRecord.read(in: place)
        else { return nil }
        let mark = Self.marks.first { entry.hasSuffix($0.suffix) }
        let id = String(entry.dropLast(mark?.suffix.count ?? 0))
        let removedAt = Self.time(in: id)
        let expiresAt = removedAt.flatMap { removed -> Date? in
            // By a clock that was wrong then it is not to be deleted: it stays until somebody says so.
            guard removed >= max(volume.createdAt, Self.firstDate) else { return nil }
            return volume.options.trashRetention.map { removed.addingTimeInterval(Double($0.components.seconds)) }
        }
        let fate = mark?.fate ?? (volume.options.removalPolicy == .trash ? .stays : .goes)
        return Item(
            id: id, volume: volume, removedAt: removedAt, fate: fate, expiresAt: fate == .stays ? expiresAt : nil,
            place: place)
    }

    /// `db.20261121T101112Z-1x2y3z` was removed at 10:11:12.
    private static func time(in id: String) -> Date? {
        guard let word = id.split(separator: ".").last, let hyphen = word.lastIndex(of: "-") else { return nil }
        return try? Date(String(word[..<hyphen]), strategy: stamp)
    }

    /// The name that the volume in a folder of the trash had, unless it was too long to be kept whole.
    static func name(in entry: String) -> VolumeName? {
        guard let dot = entry.lastIndex(of: "."), time(in: entry) != nil else { return nil }
        return try? VolumeName(String(entry[..<dot]))
    }

    /// Makes a removed volume a volume again.
    ///
    /// - Parameters:
    ///   - item: The removed volume.
    ///   - volume: What it is to be.
    ///   - directory: Where it is to be, where nothing is yet.
    /// - Throws: ``SystemCallError``; it is in the trash as before.
    func giveBack(_ item: Item, as volume: Volume, to directory: FilePath) throws {
        // First what needs room on the disk.
        try VolumeRecord.write(volume, in: item.place)
        do {
            try DurableFile.rename(item.place, to: directory)
        } catch {
            try VolumeRecord.write(item.volume, in: item.place)
            throw error
        }
    }

    /// Lets the next ``empty()`` delete an item.
    ///
    /// - Parameter item: What was in the trash.
    /// - Returns: Whether it was there still.
    /// - Throws: ``SystemCallError``; it stays.
    @discardableResult
    func condemn(_ item: Item) throws -> Bool {
        do {
            try DurableFile.rename(item.place, to: root.appending(item.id + "+purge"))
            return true
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
            return false
        }
    }

    /// Lets the next ``empty()`` delete what is kept no longer.
    ///
    /// - Parameter now: What is kept until then.
    /// - Throws: ``SystemCallError`` if the trash cannot be read or changed.
    func condemnExpired(at now: Date) throws {
        for item in try items() where item.fate == .stays && item.expiresAt.map({ $0 <= now }) ?? false {
            try condemn(item)
        }
    }

    /// Deletes what is not wanted to stay.
    ///
    /// The record goes last, so that a crash on the way leaves its wish to be deleted. What has no readable
    /// record stays: nobody has said that it may go.
    func empty() {
        let entries: [String]
        do {
            entries = try Directories.entries(of: root)
        } catch {
            logger.debug("a folder of the pool cannot be read", metadata: ["error": "\(error)"])
            return
        }
        for entry in entries {
            let place = root.appending(entry)
            guard let item = item(named: entry) else {
                discardRest(place)
                continue
            }
            guard item.fate == .goes else { continue }
            do {
                try purge(place)
                for child in try Directories.entries(of: place) where child != "record.json" {
                    try remove(place.appending(child))
                }
                try TreeRemover.remove(place)
            } catch {
                logger.warning(
                    "a removed volume cannot be deleted and stays in the trash for now",
                    metadata: ["file.path": "\(place)", "error": "\(error)"])
            }
        }
    }

    /// A purge that was cut off after the record leaves an empty directory; rmdir refuses anything else.
    private func discardRest(_ place: FilePath) {
        var status = stat()
        guard Directories.isRealDirectory(place), lstat(place.appending("record.json").string, &status) != 0 else {
            return
        }
        Directories.removeIfEmpty(place)
    }

    private func remove(_ path: FilePath) throws {
        do {
            try Files.unlink(path)
        } catch let error as SystemCallError where [.isDirectory, .notPermitted].contains(error.errno) {
            try TreeRemover.remove(path)
        }
    }
}
