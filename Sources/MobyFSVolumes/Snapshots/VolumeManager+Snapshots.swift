// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import Logging
import MobyFSHost
import SystemPackage

extension VolumeManager {
    /// Keeps what a volume holds now.
    ///
    /// - Parameters:
    ///   - name: The volume.
    ///   - snapshot: What the snapshot is to be called; nil for the time.
    ///   - isScheduled: Whether it may be taken away when there are newer ones.
    ///   - now: When it is made.
    /// - Returns: What it is called.
    /// - Throws: ``VolumeError``; there is no snapshot then.
    package func snapshot(
        _ name: String, as snapshot: String? = nil, isScheduled: Bool = false, at now: Date = .now
    ) async throws -> VolumeName {
        let wanted = try Self.snapshotName(snapshot ?? now.formatted(Self.stamp))
        let name = try describe(name).name
        return try await work(on: name, for: .copying, within: limits.copying) { deadline in
            let (volume, driver) = try self.snapshottable(name)
            let context = self.context(volume, deadline: deadline)
            let isInUse = try await self.isInUse(volume)
            let snapshots = self.snapshots(in: volume)
            let label = try await self.free(wanted, in: snapshots, of: volume, isChosen: snapshot != nil)
            let staging = try await BlockingWork.run { try snapshots.stage() }
            do {
                let (content, copy) = (
                    context.root.appending(driver.contentName), staging.appending(driver.contentName)
                )
                try await self.copies.during(name, from: content, to: copy) {
                    try await driver.copyContent(
                        of: volume, from: content, to: copy, for: .snapshot, isInUse: isInUse, in: context)
                }
                let made = Snapshot(name: label, createdAt: now, isScheduled: isScheduled, volume: volume)
                try await BlockingWork.run { try snapshots.commit(staging, as: made) }
            } catch {
                await BlockingWork.run { snapshots.takeBack(staging) }
                throw Self.failure("cannot make a snapshot of volume '\(name)'", error)
            }
            context.logger.info("snapshot made", metadata: ["snapshot.name": "\(label)"])
            return label
        }
    }

    /// The name of a snapshot that there is none of yet: what nobody has chosen gets a number.
    private func free(
        _ wanted: VolumeName, in snapshots: SnapshotStore, of volume: Volume, isChosen: Bool
    ) async throws -> VolumeName {
        try await BlockingWork.run {
            var (label, count) = (wanted, 1)
            while Directories.isRealDirectory(snapshots.directory(of: label)) {
                guard !isChosen else {
                    throw VolumeError(
                        .alreadyExists,
                        "volume '\(volume.name)' has a snapshot '\(label)' already: choose another name")
                }
                count += 1
                label = try VolumeName("\(wanted)-\(count)")
            }
            return label
        }
    }

    /// The snapshots of a volume, the oldest first.
    package func snapshots(of name: String) async throws -> [Snapshot] {
        let volume = try servable(describe(name).name).volume
        try await requirePool()
        let snapshots = snapshots(in: volume)
        return try await BlockingWork.run { try snapshots.all() }
    }

    /// Deletes a snapshot.
    package func removeSnapshot(_ snapshot: String, of name: String) async throws {
        let label = try Self.snapshotName(snapshot)
        let name = try describe(name).name
        try await work(on: name, for: .changing, within: limits.copying) { deadline in
            let (volume, _) = try self.snapshottable(name)
            let snapshots = self.snapshots(in: volume)
            _ = try await self.existing(label, in: snapshots, of: volume)
            try await BlockingWork.run { try snapshots.remove(label) }
            self.context(volume).logger.info("snapshot removed", metadata: ["snapshot.name": "\(label)"])
        }
    }

    /// Lets a volume that nobody holds hold again what it held when a snapshot was made.
    ///
    /// What it holds now is lost, unless another snapshot has it.
    ///
    /// - Throws: ``VolumeError``; the volume holds what it did.
    package func restore(_ name: String, from snapshot: String) async throws {
        let label = try Self.snapshotName(snapshot)
        let name = try describe(name).name
        try await work(on: name, for: .copying, within: limits.copying) { deadline in
            let (volume, driver) = try self.snapshottable(name)
            try await self.refuseIfHeld(volume)
            try await self.refuseIfUsedInside(volume)
            let snapshots = self.snapshots(in: volume)
            let source = try await self.existing(label, in: snapshots, of: volume)
            let context = self.context(volume, deadline: deadline)
            try await driver.unmount(volume, in: context)
            let staging = try await BlockingWork.run { try snapshots.stage() }
            do {
                let (content, copy) = (
                    snapshots.directory(of: label).appending(driver.contentName), staging.appending(driver.contentName)
                )
                try await self.copies.during(name, from: content, to: copy) {
                    try await driver.copyContent(
                        of: source.volume, from: content, to: copy, for: .restore, isInUse: false, in: context)
                }
                try await self.exchange(volume, with: staging, from: source, by: driver, in: context)
            } catch {
                await BlockingWork.run { snapshots.takeBack(staging) }
                throw Self.failure("cannot restore volume '\(name)' from its snapshot '\(label)'", error)
            }
            context.logger.notice("volume restored from a snapshot", metadata: ["snapshot.name": "\(label)"])
        }
    }

    /// Puts staged content into a volume's place, and what was there into the trash, to be deleted.
    private func exchange(
        _ volume: Volume, with staging: FilePath, from source: Snapshot, by driver: any SnapshotDriver,
        in context: DriverContext
    ) async throws {
        var restored = volume
        // The size is that of the content.
        restored.options = volume.options.with("size", source.volume.options["size"])
        restored.state = driver.stateOfCopy(of: source.volume)
        let (content, other) = (
            context.root.appending(driver.contentName), staging.appending(driver.contentName)
        )
        let size = restored.options["size"]
        try await commit { store in
            // For whoever deletes it.
            try VolumeRecord.write(volume, in: staging, isNew: true)
            var pending = volume
            pending.pendingRestore = try PendingRestore(of: other, named: driver.contentName, size: size)
            try store.save(pending)
        }
        try await BlockingWork.run {
            try SnapshotStore.exchange(content, with: other)
            try DurableFile.syncDirectory(context.root)
            try DurableFile.syncDirectory(staging)
        }
        do {
            restored.state = try await driver.create(restored, in: context)
            try await commit { [restored] in try $0.save(restored) }
        } catch {
            try await BlockingWork.run { try SnapshotStore.exchange(content, with: other) }
            throw error
        }
        update(volume.name) { [restored] in
            $0.volume = restored
            $0.mountFailure = nil
        }
        do {
            _ = try await BlockingWork.run { [store] in
                try store.trash.take(staging, of: volume.name, fate: .goes)
            }
            removals.continuation.yield()
        } catch {
            context.logger.warning(
                "what a volume held before a restore is deleted later", metadata: ["error": "\(error)"])
        }
    }

    // MARK: - Schedules

    /// Makes the snapshots that are due, and takes away those that there are newer ones of.
    ///
    /// - Returns: For each volume with a snapshot that was due the snapshot's name, or why there is none.
    package func makeScheduledSnapshots(at now: Date = .now) async throws -> [VolumeName: Result<VolumeName, any Error>]
    {
        guard let sharing else { return try await makeDueSnapshots(at: now) }
        // Or each host would make one of each volume.
        return try await sharing.withLock("/snapshots", until: .now + limits.copying) {
            try await makeDueSnapshots(at: now)
        }
    }

    private func makeDueSnapshots(at now: Date) async throws -> [VolumeName: Result<VolumeName, any Error>] {
        var made: [VolumeName: Result<VolumeName, any Error>] = [:]
        for description in try describeAll() {
            guard let volume = description.volume, let period = volume.options.snapshotPeriod else { continue }
            do {
                let scheduled = try await snapshots(of: volume.name.description).filter(\.isScheduled)
                // A run that is a little early counts.
                // One from the future, of a clock that was wrong, does not.
                let last = scheduled.map(\.createdAt).filter { $0 <= now }.max()
                let isDue = last.map { $0.addingTimeInterval(period * 0.95) <= now } ?? true
                // Who has it mounted sees to it, where several hosts could.
                guard isDue, try await otherHosts(with: volume.name).isEmpty else { continue }
                made[volume.name] = .success(try await snapshot(volume.name.description, isScheduled: true, at: now))
                // Those from the future are older than they say, and must not outlive all that are made from now on.
                let byAge = scheduled.filter { $0.createdAt > now } + scheduled.filter { $0.createdAt <= now }
                for old in byAge.dropLast(max(0, volume.options.snapshotCount - 1)) {
                    try await removeSnapshot(old.name.description, of: volume.name.description)
                }
            } catch {
                made[volume.name] = .failure(error)
                logger.error(
                    "a scheduled snapshot is not made",
                    metadata: ["volume.name": "\(volume.name)", "error": "\(error)"])
            }
        }
        return made
    }

    // MARK: - Common

    private static let stamp = Date.ISO8601FormatStyle().dateSeparator(.omitted).timeSeparator(.omitted)

    static func snapshotName(_ text: String) throws(VolumeError) -> VolumeName {
        do {
            return try VolumeName(text)
        } catch {
            throw VolumeError(.invalidArgument, error.message.replacing("for a volume", with: "for a snapshot"))
        }
    }

    func snapshots(in volume: Volume) -> SnapshotStore {
        SnapshotStore(in: store.directory(of: volume.name)) { [store] in store.discard($0) }
    }

    /// Throws if snapshots are wanted of a volume that can have none.
    func requireSnapshots(_ volume: Volume) throws(VolumeError) {
        guard let schedule = volume.options["snapshot-schedule"] else { return }
        let driver = try driver(named: volume.driver)
        guard driver is any SnapshotDriver, driver.keepsDataInside(volume) else {
            throw VolumeError(
                .invalidArgument,
                "option snapshot-schedule='\(schedule)' needs a volume that can have snapshots: what driver "
                    + "'\(volume.driver)' has here is not in the pool; leave the option out")
        }
    }

    /// A volume that can have snapshots, with its driver.
    private func snapshottable(_ name: VolumeName) throws -> (Volume, any SnapshotDriver) {
        let volume = try servable(name).volume
        guard let driver = try driver(named: volume.driver) as? any SnapshotDriver else {
            throw VolumeError(
                .invalidArgument,
                "volume '\(name)' can have no snapshots: driver '\(volume.driver)' does not keep its data in the pool")
        }
        guard driver.keepsDataInside(volume) else {
            throw VolumeError(
                .invalidArgument, "volume '\(name)' can have no snapshots: its data is outside of the pool")
        }
        return (volume, driver)
    }

    /// Whether somebody holds a volume, or a process has it mounted.
    ///
    /// - Throws: ``VolumeError`` if that is on another host.
    func isInUse(_ volume: Volume) async throws -> Bool {
        try await refuseIfHeldElsewhere(volume)
        do {
            try await refuseIfHeldHere(volume)
            return false
        } catch let error as VolumeError where error.code == .inUse {
            return true
        }
    }

    func existing(_ label: VolumeName, in snapshots: SnapshotStore, of volume: Volume) async throws -> Snapshot {
        try await BlockingWork.run {
            do {
                return try snapshots.snapshot(label)
            } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
                let names = try snapshots.all().map(\.name.description)
                let more = names.count > 5 ? " and \(names.count - 5) more" : ""
                throw VolumeError(
                    .notFound,
                    "volume '\(volume.name)' has no snapshot '\(label)'; "
                        + (names.isEmpty ? "it has none" : "it has \(names.prefix(5).joined(separator: ", "))\(more)"))
            }
        }
    }

    private static func failure(_ what: String, _ error: any Error) -> any Error {
        error is VolumeError ? error : VolumeError.failure(what, error)
    }
}
