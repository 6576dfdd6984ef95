// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import SystemPackage

extension VolumeManager {
    /// Looks through the pool for what is not as it should be, and changes nothing there.
    ///
    /// What somebody has taken away, as was advised before, is forgotten.
    package func findings() async throws -> [Finding] {
        await checkPool()
        if let trouble = poolTrouble ?? poolSickness {
            return [Finding(.pool, store.root.string, "it cannot be read: \(trouble)", advice: "see to its disk")]
        }
        await forgetTakenAway()
        let findings = try await BlockingWork.run { [doctor, store] in
            let findings = try Self.findings(ofPoolAt: store.root) + doctor.findings()
            let subjects = Set(findings.map(\.subject))
            return findings + self.findings(besides: subjects)
        }
        var lasting: [Finding] = []
        for finding in findings where await !isPassing(finding) { lasting.append(finding) }
        return lasting
    }

    /// Whether a volume was just being worked on, and is as it should be since.
    private func isPassing(_ finding: Finding) async -> Bool {
        switch finding.kind {
        case .pool, .clock: return false
        default: break
        }
        guard let name = try? VolumeName(finding.volume),
            (try? await locks.lock(name, for: .checking, until: .now + limits.short)) != nil
        else { return false }
        defer { locks.unlock(name) }
        return await BlockingWork.run { [doctor] in
            doctor.finding(finding.id) != finding && self.finding(of: name, self.entry(name)) != finding
        }
    }

    /// What is wrong with the pool's file system.
    static func findings(ofPoolAt root: FilePath) throws -> [Finding] {
        var findings: [Finding] = []
        if try StoragePlace(of: root).isReadOnly {
            findings.append(
                Finding(
                    .pool, root.string, "its file system is read-only: nothing can be created, changed or removed",
                    advice: "see 'dmesg' for why; mend the disk and mount it anew"))
        }
        if try Directories.isFull(root) {
            findings.append(
                Finding(
                    .pool, root.string, "it is full",
                    advice: "make room in it: 'mobyfs volume df' and 'mobyfs trash ls' show what takes it up"))
        }
        return findings
    }

    /// What is known of volumes, and the pool itself does not show.
    private func findings(besides subjects: Set<String>) -> [Finding] {
        entries.sorted { $0.key < $1.key }.compactMap { name, entry in
            // Of one that is damaged that has been said.
            entry.isMissing || !subjects.contains(name.description) ? finding(of: name, entry) : nil
        }
    }

    private func finding(of name: VolumeName, _ entry: Entry?) -> Finding? {
        guard let entry else { return nil }
        if entry.isMissing {
            return Finding(
                .data, name.description, entry.trouble ?? "it is gone from the pool",
                advice: "mount it; or if there is none any more, stop what holds the volume and restart the engine")
        }
        guard entry.volume != nil, entry.trouble == nil else { return nil }
        let folder = store.directory(of: name)
        guard Directories.isRealDirectory(folder) else {
            return Finding(
                .data, name.description, "its folder '\(folder)' is gone from the pool",
                advice: "put it back; or give the volume up: 'mobyfs volume rm \(name)'")
        }
        return (entry.mountFailure ?? entry.limitTrouble).map {
            Finding(.data, name.description, $0, advice: "see to it and mount the volume again")
        }
    }

    private var doctor: VolumeDoctor {
        VolumeDoctor(
            store: store, drivers: drivers, trouble: { self.troubleWithOptions(of: $0) },
            missing: { self.troubleWithData(of: $0) },
            // What cannot be read is told of by the Mount that fails.
            damage: { try? self.driver(named: $0.driver).damage(to: $0, in: self.context($0)) },
            isKnown: { self.sharing != nil || self.entry($0)?.volume != nil }, served: { self.served($0) },
            refused: entries.compactMapValues(\.trouble))
    }

    private func served(_ name: VolumeName) -> Volume? {
        // Another host may have changed it since.
        guard sharing == nil, let entry = entry(name), entry.trouble == nil else { return nil }
        return entry.volume
    }

    /// Does what is to be done about a finding; no data is lost by it.
    ///
    /// - Parameter id: Of the finding, which must still be so.
    /// - Throws: ``VolumeError``; nothing was changed.
    package func repair(_ id: String) async throws {
        let finding = try await self.finding(id)
        guard let repair = finding.repair else {
            throw VolumeError(.invalidArgument, "'\(id)' cannot be repaired by itself: \(finding.advice)")
        }
        let subject = finding.volume
        let work = { @Sendable () async throws -> Void in
            // Somebody may have been quicker.
            guard try await self.finding(id) == finding else {
                throw VolumeError(.unavailable, "'\(id)' has changed meanwhile: look again")
            }
            try await self.apply(repair, to: subject)
        }
        if case .list = repair {
            try await withTrash(work)
        } else {
            try await workOnDamaged(try VolumeName(subject), work)
        }
        logger.notice("repaired", metadata: ["volume.name": "\(finding.subject)", "repair": "\(finding.advice)"])
    }

    private func finding(_ id: String) async throws -> Finding {
        try await requirePool()
        guard let finding = await BlockingWork.run({ [doctor] in doctor.finding(id) }) else {
            throw VolumeError(.notFound, "there is no '\(id)' any more: 'mobyfs doctor' shows what there is")
        }
        return finding
    }

    /// Works on a volume while nobody else does, whatever is wrong with it.
    private func workOnDamaged(_ name: VolumeName, _ body: @escaping @Sendable () async throws -> Void) async throws {
        try await work(on: name, for: .checking, within: limits.short, alone: false) { deadline in
            guard let sharing = self.sharing else { return try await body() }
            try await sharing.withLock(name.description, until: deadline, body)
        }
    }

    private func apply(_ repair: Finding.Repair, to subject: String) async throws {
        switch repair {
        case .write(let volume, let directory):
            try await BlockingWork.run { try VolumeRecord.mend(volume, in: directory) }
            try await serve(volume, from: directory)
        case .serve(let volume, let directory): try await serve(volume, from: directory)
        case .takeToTrash(let volume, let directory): try await takeToTrash(volume, from: directory)
        case .recover(let volume):
            let snapshots = snapshots(in: volume)
            try await BlockingWork.run { _ = try snapshots.recover() }
            try await serve(volume, from: store.directory(of: volume.name))
        case .list(let volume, let place): try await BlockingWork.run { try VolumeRecord.mend(volume, in: place) }
        case .date(let snapshot):
            let snapshots = SnapshotStore(in: store.directory(of: try VolumeName(subject))) { _ in }
            try await BlockingWork.run { try snapshots.date(snapshot) }
        case .delete(let path): try await BlockingWork.run { try Files.unlink(path) }
        }
    }

    private func serve(_ volume: Volume, from directory: FilePath) async throws {
        let place = store.directory(of: volume.name)
        try await BlockingWork.run {
            if directory != place { try DurableFile.rename(directory, to: place) }
            // A help for people, which says no longer what is so.
            try? Files.unlink(place.appending(VolumeStore.reasonName))
        }
        await open(volume.name)
        let trouble = troubleWithOptions(of: volume)
        let failure = await BlockingWork.run { self.troubleWithData(of: volume) }
        update(volume.name) {
            $0.volume = volume
            $0.trouble = trouble
            $0.mountFailure = failure
            $0.isIdle = $0.holders.isEmpty
        }
    }

    /// From there it can be had back, or be deleted.
    private func takeToTrash(_ volume: Volume, from directory: FilePath) async throws {
        let name = volume.name
        let isServed = directory == store.directory(of: name)
        if isServed {
            try await refuseIfHeld(volume)
            try await refuseIfUsedInside(volume)
            await withdraw(name)
            try await close(volume)
        }
        _ = try await BlockingWork.run { [store, holderStore] in
            if isServed {
                try holderStore.save(VolumeHolders(), of: name)
            } else {
                try VolumeRecord.mend(volume, in: directory)
            }
            return try store.trash.take(directory, of: name, fate: .stays)
        }
        if isServed { forget(name) }
    }
}
