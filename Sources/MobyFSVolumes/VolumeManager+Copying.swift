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

    /// Whether what a volume is in can be copied as a whole, rather than file by file.
    func copiesContent(_ source: CopySource, to volume: Volume) throws -> Bool {
        let driver = try driver(named: volume.driver)
        return driver is any SnapshotDriver && volume.driver == source.volume.driver
            && driver.keepsDataInside(volume) && driver.keepsDataInside(source.volume)
    }

    /// Copies what the source is in to where a new volume is made, for its driver to take up.
    ///
    /// - Returns: What of the volume's state is known by that.
    func copyContent(
        _ source: CopySource, into volume: Volume, in context: DriverContext
    ) async throws -> [String: String] {
        guard let driver = try driver(named: volume.driver) as? any SnapshotDriver else { return [:] }
        let name = source.volume.name
        return try await withUnchanged(source, until: context.deadline) { isInUse in
            let original = self.context(source.volume, deadline: context.deadline)
            let folder =
                source.snapshot.map { self.snapshots(in: source.volume).directory(of: $0) } ?? original.root
            do {
                let (content, copy) = (
                    folder.appending(driver.contentName), context.root.appending(driver.contentName)
                )
                try await self.copies.during(volume.name, from: content, to: copy) {
                    try await driver.copyContent(
                        of: source.volume, from: content, to: copy, for: .clone, isInUse: isInUse, in: original)
                }
            } catch let error as VolumeError {
                throw error
            } catch {
                throw VolumeError(.io, "cannot copy volume '\(name)' into '\(volume.name)'", cause: error)
            }
            return driver.stateOfCopy(of: source.volume)
        }
    }

    /// Works with a source while nobody changes or removes it, as far as that is up to this process.
    private func withUnchanged<Result: Sendable>(
        _ source: CopySource, until deadline: ContinuousClock.Instant,
        _ body: @Sendable (_ isInUse: Bool) async throws -> Result
    ) async throws -> Result {
        let name = source.volume.name
        guard await locks.lock(name, until: deadline) else {
            throw VolumeError(.unavailable, "volume '\(name)' is busy: try again")
        }
        defer { locks.unlock(name) }
        return try await sharingLock(on: name, until: deadline) {
            guard let current = entry(name)?.volume, source.snapshot != nil || current == source.volume else {
                throw VolumeError(.notFound, "option from='\(name)': the volume has just changed; try again")
            }
            return try await body(source.snapshot == nil ? try await isInUse(current) : false)
        }
    }

    /// Copies a volume's data, file by file, into one that is being created.
    ///
    /// - Parameters:
    ///   - copied: A volume that nobody holds: half of what is being written would be no use to anybody.
    ///   - volume: The new one, which is empty.
    ///   - context: Of the new one.
    /// - Throws: ``VolumeError``; part of the data may be there.
    func copyFiles(_ copied: CopySource, into volume: Volume, in context: DriverContext) async throws {
        let (source, deadline) = (copied.volume, context.deadline)
        guard copied.snapshot == nil else {
            throw VolumeError(
                .invalidArgument,
                "option from='\(volume.options["from"] ?? "")': a snapshot of driver '\(source.driver)' cannot begin a volume of "
                    + "driver '\(volume.driver)': leave out the options that choose that, and copy the files afterwards"
            )
        }
        try await withUnchanged(copied, until: deadline) { isInUse in
            guard !isInUse else {
                throw VolumeError(
                    .inUse,
                    "option from='\(source.name)': the volume is in use, and what is copied while it is written to may be of "
                        + "no use: stop the containers that use it first")
            }
            try await requireCopyable(source)
            let sourceContext = self.context(source, secrets: try await secrets(of: source), deadline: deadline)
            let (sourceDriver, driver) = (try self.driver(named: source.driver), try self.driver(named: volume.driver))
            try await sourceDriver.mount(source, in: sourceContext)
            do {
                try await driver.mount(volume, in: context)
                let (files, copy) = (
                    sourceDriver.mountpoint(of: source, in: sourceContext), driver.mountpoint(of: volume, in: context)
                )
                try await self.copies.during(volume.name, from: files, to: copy) {
                    try await Self.copy(files, to: copy, from: source, to: volume, until: deadline)
                }
                try await driver.unmount(volume, in: context)
            } catch {
                await unmount(source, until: deadline)
                try await driver.release(volume, in: context)
                throw error
            }
            await unmount(source, until: deadline)
        }
    }

    /// Throws if a copy of the files would not have all of them.
    func requireCopyable(_ volume: Volume) async throws {
        let (driver, context) = (try driver(named: volume.driver), context(volume))
        guard let obstacle = try await BlockingWork.run({ try driver.obstacleToCopying(volume, in: context) }) else {
            return
        }
        throw VolumeError(.invalidArgument, "volume '\(volume.name)' \(obstacle)")
    }

    private static func copy(
        _ path: FilePath, to other: FilePath, from source: Volume, to volume: Volume,
        until deadline: ContinuousClock.Instant
    ) async throws {
        let isEmpty = try await BlockingWork.run { try Directories.entries(of: other).isEmpty }
        guard isEmpty else {
            throw VolumeError(
                .alreadyExists,
                "option from='\(source.name)': there is data in '\(other)' already; leave from out to use that")
        }
        do {
            try await TreeCopy.make(of: path, at: other, until: deadline)
        } catch {
            let lines = (error as? HelperError)?.lines ?? []
            let isFull = lines.contains { $0.contains("No space left") || $0.contains("quota") }
            let advice = isFull && volume.options.size != nil ? "; give it a larger size=" : ""
            throw VolumeError(
                .io, "cannot copy volume '\(source.name)' into '\(volume.name)'\(advice)", cause: error)
        }
    }
}
