// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import MobyFSHost
import SystemPackage

/// What tells one state of a volume's directory from others.
struct VolumeStamp: Hashable, Sendable {
    /// The number of the directory.
    var directory: ino_t
    /// The number of the record.
    var record: ino_t
    var seconds: Int
    var nanoseconds: Int
    var bytes: Int64
}

/// Reading while other hosts write.
///
/// What stat(2) and open(2) find under a path may be a second old, on GlusterFS and NFS; lists of directories, and what has
/// just been opened for the first time, are not. All calls block.
extension VolumeStore {
    /// How often to look again while paths lead to what is no longer there, and how long to wait before, in microseconds.
    private static let (looks, interval): (Int, UInt32) = (40, 100_000)

    /// What there is of a volume at this moment; to be asked with the volume's lock.
    ///
    /// - Returns: Nil if there is none.
    /// - Throws: ``VolumeRecord/Problem`` for a volume that cannot be served, ``SystemCallError``.
    func current(_ name: VolumeName) throws -> Volume? {
        let directory = directory(of: name)
        for look in 0..<Self.looks {
            if look > 0 { usleep(Self.interval) }
            guard let listed = try number(ofListed: name, unlessIn: directory) else { return nil }
            if case .found(let volume) = try read(name, in: directory, numbered: listed) { return volume }
        }
        throw SystemCallError("read '\(directory)', which is not what a list of '\(volumes)' says", .staleNFSFileHandle)
    }

    private enum Look {
        case found(Volume)
        /// Something has just been replaced.
        case stale
    }

    /// Any number, where the directory itself shows that it is the volume's.
    private enum Listed {
        case open
        case number(ino_t)
    }

    /// Asks the list of all volumes only where it must: it may be long.
    private func number(ofListed name: VolumeName, unlessIn directory: FilePath) throws -> Listed? {
        do {
            // Who moves a volume away takes this out of it first.
            if try Directories.fileNumbers(of: directory)[SharedPool.hostsName] != nil { return .open }
        } catch let error as SystemCallError where error.isGone {
            // Perhaps another is there since.
        }
        return try Directories.fileNumbers(of: volumes)[name.description].map { .number($0) }
    }

    private func read(_ name: VolumeName, in directory: FilePath, numbered listed: Listed) throws -> Look {
        do {
            if case .number(let number) = listed, try FileID(of: directory).inode != number { return .stale }
            let path = directory.appending("record.json")
            let number = try Directories.fileNumbers(of: directory)["record.json"]
            let (bytes, file) = try DurableFile.readIdentified(path)
            guard file.inode == number else { return .stale }
            let volume = try VolumeRecord.decode(bytes).settled(in: directory)
            if case .open = listed, volume.name != name {
                // After a rename, a path may still lead to the directory under its old name.
                guard try FileID(of: directory).inode == Directories.fileNumbers(of: volumes)[name.description] else {
                    return .stale
                }
            }
            return .found(volume.named(name))
        } catch let error as SystemCallError where error.isGone {
            return .stale
        }
    }

    /// What has changed since the last look.
    struct Changes: Sendable {
        /// Volumes that are new or not what they were, or why they cannot be served.
        var changed: [(VolumeName, VolumeStamp, Result<Volume, any Error>)] = []
        var gone: [VolumeName] = []
    }

    /// Compares all volumes with what was seen of them before.
    ///
    /// - Parameters:
    ///   - seen: What was seen.
    ///   - known: The volumes that there were.
    ///   - isThorough: Whether to look at each; else only at those that were not there.
    /// - Returns: What has changed.
    /// - Throws: ``SystemCallError`` if the list of volumes cannot be read.
    func changes(
        since seen: [VolumeName: VolumeStamp], known: Set<VolumeName>, isThorough: Bool
    ) throws -> Changes {
        var changes = Changes()
        let numbers = try Directories.fileNumbers(of: volumes)
        for (entry, number) in numbers where !entry.hasPrefix(Self.stagingPrefix) {
            guard let name = try? VolumeName(entry) else { continue }
            if !isThorough, known.contains(name), seen[name]?.directory == number { continue }
            if let change = changed(name, since: seen[name]) { changes.changed.append(change) }
        }
        changes.gone = known.filter { numbers[$0.description] == nil }
        return changes
    }

    /// The same for one volume.
    func changes(of name: VolumeName, since seen: VolumeStamp?) throws -> Changes {
        if let change = changed(name, since: seen) { return Changes(changed: [change]) }
        let isGone = try stamp(of: name) == nil
        return Changes(gone: isGone ? [name] : [])
    }

    private func changed(
        _ name: VolumeName, since seen: VolumeStamp?
    ) -> (VolumeName, VolumeStamp, Result<Volume, any Error>)? {
        do {
            guard let stamp = try stamp(of: name), stamp != seen else { return nil }
            let directory = directory(of: name)
            let bytes = try DurableFile.read(directory.appending("record.json"))
            return (name, stamp, Result { try VolumeRecord.decode(bytes).settled(in: directory).named(name) })
        } catch {
            // It is just going away, or the next look will tell.
            logger.debug("a volume cannot be looked at", metadata: ["volume.name": "\(name)", "error": "\(error)"])
            return nil
        }
    }

    /// - Returns: Nil if there is no volume.
    private func stamp(of name: VolumeName) throws -> VolumeStamp? {
        do {
            let directory = try FileID(of: directory(of: name)).inode
            var status = stat()
            let path = self.directory(of: name).appending("record.json")
            try check(lstat(path.string, &status), "stat '\(path)'")
            return VolumeStamp(
                directory: directory, record: status.st_ino, seconds: status.st_mtim.tv_sec,
                nanoseconds: status.st_mtim.tv_nsec, bytes: Int64(status.st_size))
        } catch let error as SystemCallError where error.isGone {
            return nil
        }
    }
}

extension SystemCallError {
    /// Whether what was named is not there, or no longer.
    fileprivate var isGone: Bool {
        [.noSuchFileOrDirectory, .staleNFSFileHandle, .notDirectory].contains(errno)
    }
}
