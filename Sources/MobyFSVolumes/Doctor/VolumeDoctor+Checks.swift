// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MobyFSHost
import SystemPackage

// What can be wrong with a volume beside its record, and with what stands among volumes.
extension VolumeDoctor {
    /// How far a date may be ahead: clocks of several hosts differ.
    private static let tolerance = 86_400.0

    func data(of volume: Volume) -> Finding? {
        let snapshots = SnapshotStore(in: store.directory(of: volume.name)) { _ in }
        guard let reason = missing(volume) else {
            return damage(volume).map { damage in
                let restore = (try? snapshots.all())?.last.map {
                    "; or run 'mobyfs volume restore \(volume.name) \($0.name)'"
                }
                return Finding(
                    .data, volume.name.description, damage.reason, advice: damage.advice + (restore ?? ""))
            }
        }
        // What cannot be read has nothing of it.
        if (try? snapshots.displaced())?.isEmpty == false {
            return Finding(
                .data, volume.name.description, reason, .recover(volume),
                advice: "put it back from where a restore was cut off")
        }
        if let last = (try? snapshots.all())?.last {
            return Finding(
                .data, volume.name.description, reason,
                advice: "put it back, or run 'mobyfs volume restore \(volume.name) \(last.name)'")
        }
        return Finding(
            .data, volume.name.description, reason, .takeToTrash(volume, from: store.directory(of: volume.name)),
            advice: "move what is left of the volume into the trash")
    }

    func secrets(of volume: Volume) -> Finding? {
        guard volume.options.values.values.contains(Secret.placeholder) else { return nil }
        do {
            _ = try store.secrets(of: volume.name)
            return nil
        } catch {
            return Finding(
                .secrets, volume.name.description, "its password cannot be read: \(error)",
                advice: "remove the volume and create it again with its password")
        }
    }

    /// Snapshots that lack their date can be given one; their own records cannot be guessed.
    func snapshots(of volume: Volume) -> [Finding] {
        let snapshots = SnapshotStore(in: store.directory(of: volume.name)) { _ in }
        guard let entries = try? Directories.entries(of: snapshots.root) else { return [] }
        return entries.sorted().compactMap { entry in
            let path = snapshots.root.appending(entry)
            guard let name = try? VolumeName(entry), Directories.isRealDirectory(path) else { return nil }
            do {
                _ = try snapshots.snapshot(name)
                return nil
            } catch {
                let (subject, reason) = ("\(volume.name)@\(entry)", "the snapshot is not listed: \(error)")
                guard case .success(let then) = Self.record(in: path) else {
                    return Finding(
                        .snapshot, subject, reason,
                        advice: "its data is in '\(path)': copy it from there, and delete the folder")
                }
                let date = Self.modificationTime(of: path) ?? now
                return Finding(
                    .snapshot, subject, reason,
                    .date(Snapshot(name: name, createdAt: date, isScheduled: false, volume: then)),
                    advice: "list it again, made at \(date.formatted(.iso8601))")
            }
        }
    }

    /// Halves of files: they are written under such a name, and renamed.
    func leftovers(in directory: FilePath, of name: VolumeName) -> [Finding] {
        // What cannot be read has none that could be deleted.
        let entries = (try? Directories.entries(of: directory)) ?? []
        return entries.sorted().filter { $0.hasPrefix(VolumeStore.stagingPrefix) }.compactMap { entry in
            let path = directory.appending(entry)
            // A write takes no hour.
            guard (try? Files.isRegular(path)) == true, !Files.isLink(path),
                let date = Self.modificationTime(of: path), abs(now.timeIntervalSince(date)) > 3600
            else { return nil }
            return Finding(
                .leftover, "\(name)/\(entry)", "'\(path)' is what a crash has left of a file", .delete(path),
                advice: "delete it")
        }
    }

    /// What is among the volumes, and is none.
    func stranger(_ entry: String, _ path: FilePath) -> Finding? {
        if let (name, reason) = store.troubleWithLink(entry) {
            return Finding(
                .link, name.description, reason,
                advice: "put the folder itself there, or mount it there, or delete the link")
        }
        // What begins with a dot is of programs, ours included.
        guard !entry.hasPrefix("."), SparseFile(path).isThere else { return nil }
        return Finding(
            .stranger, entry, "'\(path)' is no volume, and is left alone", advice: "move it to another place")
    }

    /// What was made in the future: it says the same of all of it.
    func clock() -> [Finding] {
        let limit = now.addingTimeInterval(Self.tolerance)
        var dated: [(String, Date)] = []
        for entry in (try? Directories.entries(of: store.volumes)) ?? [] {
            guard let name = try? VolumeName(entry),
                case .success(let volume) = Self.record(in: store.directory(of: name), of: name)
            else { continue }
            dated.append((entry, volume.createdAt))
        }
        for item in (try? store.trash.items()) ?? [] { dated += item.removedAt.map { [(item.id, $0)] } ?? [] }
        let late = dated.filter { $0.1 > limit }.sorted { $0.0 < $1.0 }
        guard let first = late.first else { return [] }
        let others = late.count > 1 ? " and \(late.count - 1) more" : ""
        return [
            Finding(
                .clock, first.0,
                "it is dated \(first.1.formatted(.iso8601))\(others): the clock is wrong now, or was wrong then",
                advice: "see with 'timedatectl' that the clock is right; what is dated so stays in the trash longer")
        ]
    }
}
