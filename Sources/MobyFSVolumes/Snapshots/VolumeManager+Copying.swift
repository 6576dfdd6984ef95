// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import SystemPackage

/// `from=VOLUME` or `from=VOLUME@SNAPSHOT`: a new volume begins with a copy of another's data.
extension VolumeManager {
    /// What another volume is to begin as.
    struct CopySource: Sendable {
        /// The volume as it is, or as it was when the snapshot was made.
        let volume: Volume
        /// The name of the snapshot; nil for what the volume holds now.
        let snapshot: VolumeName?
    }

    /// What a volume is to begin as; nil if nothing was asked for.
    ///
    /// Blocks where a snapshot is asked for.
    ///
    /// - Throws: ``VolumeError`` if there is none of that name, or it is the same one.
    func source(named text: String?, for new: VolumeName) throws -> CopySource? {
        guard let text else { return nil }
        func failure(_ code: VolumeError.Code, _ reason: String) -> VolumeError {
            VolumeError(code, "option from='\(text.excerpt())'\(reason)")
        }
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let (name, label): (VolumeName, VolumeName?)
        do {
            name = try VolumeName(parts[0])
            label = try parts.count > 1 ? Self.snapshotName(parts[1]) : nil
        } catch {
            throw failure(.invalidArgument, ": \(error.message)")
        }
        guard name != new else { throw failure(.invalidArgument, " names the new volume itself") }
        let entry = entry(name)
        if let trouble = entry?.trouble { throw Self.troubled(name, trouble) }
        guard let volume = entry?.volume, volume.removedAt == nil else {
            throw failure(.notFound, ": no such volume; see 'docker volume ls'")
        }
        guard let label else { return CopySource(volume: volume, snapshot: nil) }
        let snapshots = snapshots(in: volume)
        guard let snapshot = try snapshots.all().first(where: { $0.name == label }) else {
            throw failure(
                .notFound,
                ": volume '\(name)' has no such snapshot; 'mobyfs volume snapshots \(name)' shows what it has")
        }
        return CopySource(volume: snapshot.volume.named(name), snapshot: label)
    }

    /// Options that a volume shares with what it is a copy of, where it is not asked for others.
    ///
    /// - Parameters:
    ///   - given: What is asked for.
    ///   - source: What it is to be a copy of.
    /// - Returns: What is asked for, as a whole.
    /// - Throws: ``VolumeError`` if there is no such driver as the source has.
    func inheriting(_ given: [String: String], from source: Volume) throws(VolumeError) -> [String: String] {
        guard let driver = try driver(named: source.driver) as? any SnapshotDriver, driver.keepsDataInside(source)
        else {
            return given
        }
        let isChosen = given["driver"].map { $0 != source.driver }
        let selected = drivers.first { $0.info.selectors.contains { given[$0] != nil } }?.info.name
        guard isChosen != true, selected == nil || selected == source.driver else { return given }
        let names = Set(driver.info.options.map(\.name) + ["size"])
        var whole = given
        for (name, value) in source.options.values where names.contains(name) && given[name] == nil {
            whole[name] = value
        }
        whole["driver"] = source.driver
        return whole
    }

    /// Copies what the source is in to where a new volume is made, for its driver to take up.
    ///
    /// - Parameters:
    ///   - source: What is copied.
    ///   - volume: The new volume.
    ///   - waiting: The volume that somebody waits for; nil for the new one.
    ///   - context: Of the new volume.
    /// - Returns: What of the volume's state is known by that; nil if nothing was copied, for the volume cannot take it up.
    /// - Throws: ``VolumeError``; part of the content may be there.
    func copyContent(
        _ source: CopySource, into volume: Volume, for waiting: VolumeName? = nil, in context: DriverContext
    ) async throws -> [String: String]? {
        guard let driver = try driver(named: volume.driver) as? any SnapshotDriver,
            volume.driver == source.volume.driver, driver.keepsDataInside(volume), driver.keepsDataInside(source.volume)
        else { return nil }
        let (name, waiting) = (source.volume.name, waiting ?? volume.name)
        return try await withUnchanged(source, until: context.deadline) { isInUse -> [String: String]? in
            let original = self.context(source.volume, deadline: context.deadline)
            let folder =
                source.snapshot.map { self.snapshots(in: source.volume).directory(of: $0) } ?? original.root
            do {
                let (content, copy) = (
                    folder.appending(driver.contentName), context.root.appending(driver.contentName)
                )
                let isOfUse = try await BlockingWork.run {
                    try driver.canTakeUp(content, of: source.volume, as: volume)
                }
                guard isOfUse else { return nil }
                try await self.copies.during(waiting, from: content, to: copy) {
                    try await driver.copyContent(
                        of: source.volume, from: content, to: copy, for: .clone, isInUse: isInUse, in: original)
                }
            } catch let error as VolumeError {
                throw error
            } catch {
                throw VolumeError(.io, "cannot copy volume '\(name)' into '\(waiting)'", cause: error)
            }
            return driver.stateOfCopy(of: source.volume)
        }
    }

    /// Works with a source while nobody changes or removes it, as far as that is up to this process.
    func withUnchanged<Result: Sendable>(
        _ source: CopySource, until deadline: ContinuousClock.Instant,
        _ body: @Sendable (_ isInUse: Bool) async throws -> Result
    ) async throws -> Result {
        let name = source.volume.name
        try await locks.lock(name, for: .copying, until: deadline)
        defer { locks.unlock(name) }
        return try await sharingLock(on: name, until: deadline) {
            guard let current = entry(name)?.volume, source.snapshot != nil || current == source.volume else {
                throw VolumeError(.notFound, "option from='\(name)': the volume has just changed; try again")
            }
            return try await body(source.snapshot == nil ? try await isInUse(current) : false)
        }
    }
}
