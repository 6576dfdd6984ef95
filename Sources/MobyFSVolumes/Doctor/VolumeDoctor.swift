// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MobyFSHost
import SystemPackage

/// Looks through a pool for what is not as it should be, and changes nothing.
///
/// All calls block.
struct VolumeDoctor: Sendable {
    let store: VolumeStore
    let drivers: [any VolumeDriver]
    /// Why a volume cannot be served though its record can be read.
    let trouble: @Sendable (Volume) -> String?
    /// What of a volume's data is missing.
    let missing: @Sendable (Volume) -> String?
    /// What is wrong with its data, though it is there.
    let damage: @Sendable (Volume) -> StorageDamage?
    /// Whether there is a volume of that name as far as engines know.
    let isKnown: @Sendable (VolumeName) -> Bool
    /// The volume of that name as it is served from memory, whatever its record says; nil if none is.
    let served: @Sendable (VolumeName) -> Volume?
    /// Why volumes are not served at present.
    let refused: [VolumeName: String]
    var now = Date.now

    /// Everything that is found.
    func findings() throws -> [Finding] {
        func all(in folder: FilePath, _ look: (String) -> [Finding]) throws -> [Finding] {
            guard Directories.isRealDirectory(folder) else { return [] }
            return try Directories.entries(of: folder).sorted().flatMap(look)
        }
        return try all(in: store.volumes, examine) + all(in: store.quarantine, setAside)
            + all(in: store.trash.root, removed) + clock()
    }

    /// The one with an ID, if it is still so.
    func finding(_ id: String) -> Finding? {
        guard let colon = id.firstIndex(of: ":") else { return nil }
        let subject = id[id.index(after: colon)...]
        let entry = String(subject.prefix { $0 != "/" && $0 != "@" })
        return (examine(entry) + setAside(entry) + removed(entry)).first { $0.id == id }
    }

    private func examine(_ entry: String) -> [Finding] {
        let path = store.volumes.appending(entry)
        guard let name = try? VolumeName(entry), Directories.isRealDirectory(path) else {
            return stranger(entry, path).map { [$0] } ?? []
        }
        return examine(name, in: path)
    }

    /// What is found of one volume.
    ///
    /// - Parameters:
    ///   - name: Its name.
    ///   - directory: Where it is: in its place, or in the quarantine.
    /// - Returns: Nothing if all is in order.
    func examine(_ name: VolumeName, in directory: FilePath) -> [Finding] {
        var findings = leftovers(in: directory, of: name)
        switch Self.record(in: directory, of: name) {
        case .success(let volume):
            if let reason = trouble(volume) {
                findings.append(damaged(name, reason, in: directory))
            } else if directory != store.directory(of: name) || refused[name] != nil {
                let reason = refused[name] ?? "it was set aside"
                findings.append(
                    Finding(
                        .record, name.description, "\(reason); by now its record is all right",
                        .serve(volume, in: directory), advice: "serve it again"))
            } else if !isKnown(name) {
                findings.append(
                    Finding(
                        .record, name.description, "'\(directory)' was put there while mobyfs ran, and is not served",
                        .serve(volume, in: directory), advice: "serve it"))
            } else {
                findings += [data(of: volume), secrets(of: volume)].compactMap { $0 }
                findings += snapshots(of: volume)
            }
        case .failure(let problem):
            let isGone = (problem as? SystemCallError)?.errno == .noSuchFileOrDirectory
            // It may just have been removed.
            if isGone, !Directories.isRealDirectory(directory) { return [] }
            let reason =
                switch problem {
                case is VolumeRecord.Problem: "\(problem)"
                default: isGone ? "it has no \(VolumeRecord.fileName)" : "its record cannot be read: \(problem)"
                }
            if let advice = Self.adviceBeyondRepair(problem) {
                findings.append(Finding(.record, name.description, reason, advice: advice))
            } else {
                findings.append(damaged(name, reason, in: directory))
            }
        }
        return findings
    }

    static func record(in directory: FilePath, of name: VolumeName? = nil) -> Result<Volume, any Error> {
        Result { try VolumeRecord.read(in: directory, name: name) }
    }

    // MARK: - Records

    /// What somebody can do about a record that is left alone: a later mobyfs has written it, or its disk does not give it.
    ///
    /// - Parameter problem: Why it cannot be read.
    /// - Returns: Nil where the record is damaged or gone, and may be written anew.
    private static func adviceBeyondRepair(_ problem: any Error) -> String? {
        switch problem {
        case VolumeRecord.Problem.newer: "install the mobyfs that has written it"
        case is VolumeRecord.Problem: nil
        case let error as SystemCallError where error.errno == .noSuchFileOrDirectory: nil
        default: "see to the disk that the pool is on"
        }
    }

    /// Something is wrong with a volume's record: it may be in memory, there may be a copy, or its data tells enough.
    private func damaged(_ name: VolumeName, _ reason: String, in directory: FilePath) -> Finding {
        guard let (volume, advice) = rebuilt(name, in: directory) else {
            return Finding(
                .record, name.description, reason,
                advice: "restore '\(directory)/\(VolumeRecord.fileName)' from a backup, and run 'mobyfs doctor --fix'; "
                    + "or move '\(directory)' away to give the volume up")
        }
        return Finding(.record, name.description, reason, .write(volume, in: directory), advice: advice)
    }

    /// What a lost record may have said, and what to say of that.
    private func rebuilt(_ name: VolumeName?, in directory: FilePath) -> (volume: Volume, advice: String)? {
        if let name, let volume = served(name), isOf(volume, directory) {
            return (volume, "write its record as mobyfs has it in memory: \(Self.text(volume))")
        }
        // A copy that cannot be read is none.
        if let copy = try? VolumeRecord.readCopy(in: directory), trouble(copy) == nil {
            let volume = name.map { copy.named($0) } ?? copy
            return (volume, "restore its record from the copy: \(Self.text(volume))")
        }
        guard let name else { return nil }
        for driver in drivers.sorted(by: { $0.suits(pool: store.volumes) && !$1.suits(pool: store.volumes) }) {
            guard let found = driver.recognized(in: directory) else { continue }
            var volume = Volume(
                name: name, driver: driver.info.name, options: VolumeOptions(checked: found.options),
                createdAt: Self.modificationTime(of: directory) ?? now, state: found.state)
            // Nobody knows any more whether it may be deleted.
            volume.isAdopted = true
            guard trouble(volume) == nil else { continue }
            return (volume, "take its data up by what it looks like, other options being lost: \(Self.text(volume))")
        }
        return nil
    }

    /// Whether a directory is still that of a volume that is served: another may have been put in its place.
    private func isOf(_ volume: Volume, _ directory: FilePath) -> Bool {
        directory == store.directory(of: volume.name) && missing(volume) == nil
    }

    private static func text(_ volume: Volume) -> String {
        let options = volume.options.values.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }
        return (["driver=\(volume.driver)"] + options).joined(separator: " ")
    }

    static func modificationTime(of path: FilePath) -> Date? {
        var status = stat()
        guard lstat(path.string, &status) == 0 else { return nil }
        // As a record keeps it.
        return Date(timeIntervalSince1970: Double(status.st_mtim.tv_sec))
    }

    // MARK: - The trash, and what was set aside

    private func setAside(_ entry: String) -> [Finding] {
        let path = store.quarantine.appending(entry)
        guard let name = try? VolumeName(entry), Directories.isRealDirectory(path) else { return [] }
        guard Directories.isRealDirectory(store.directory(of: name)) else { return examine(name, in: path) }
        let reason = "it was set aside in '\(path)', and there is another volume of the name since"
        let found: Volume?
        switch Self.record(in: path, of: name) {
        case .success(let volume): found = volume
        case .failure(let problem):
            if let advice = Self.adviceBeyondRepair(problem) {
                return [Finding(.quarantine, entry, "\(reason); \(problem)", advice: advice)]
            }
            // There may be a copy.
            found = rebuilt(name, in: path)?.volume
        }
        guard let volume = found else {
            return [Finding(.quarantine, entry, reason, advice: "look into it, and delete it if nobody needs it")]
        }
        return [
            Finding(
                .quarantine, entry, reason, .takeToTrash(volume, from: path),
                advice: "move what was set aside into the trash, as \(Self.text(volume))")
        ]
    }

    private func removed(_ entry: String) -> [Finding] {
        let path = store.trash.root.appending(entry)
        guard Directories.isRealDirectory(path), case .failure(let problem) = Self.record(in: path),
            // What is empty goes by itself.
            let content = try? Directories.entries(of: path), !content.isEmpty
        else { return [] }
        let reason = "'mobyfs trash' does not know it: \(problem)"
        if let advice = Self.adviceBeyondRepair(problem) { return [Finding(.trash, entry, reason, advice: advice)] }
        guard let (volume, advice) = rebuilt(Trash.name(in: entry), in: path) else {
            return [
                Finding(.trash, entry, reason, advice: "look into '\(path)', and delete it if nobody needs it")
            ]
        }
        var kept = volume
        // What is found by chance is not deleted by it.
        kept.options = volume.options.with("on-remove", RemovalPolicy.trash.rawValue)
        return [Finding(.trash, entry, reason, .list(kept, in: path), advice: advice)]
    }
}
