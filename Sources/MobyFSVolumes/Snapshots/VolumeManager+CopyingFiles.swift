// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import SystemPackage

/// Copies of volumes that are made file by file, where the new one cannot be in what the other is in.
extension VolumeManager {
    /// Copies a volume's data, file by file, into one that is being created.
    ///
    /// - Parameters:
    ///   - source: A volume that nobody holds, for half of what is being written would be no use to anybody; or one that
    ///     there can be a snapshot of.
    ///   - volume: The new one, which is empty.
    ///   - context: Of the new one.
    /// - Throws: ``VolumeError``; part of the data may be there.
    func copyFiles(_ source: CopySource, into volume: Volume, in context: DriverContext) async throws {
        let (original, deadline) = (source.volume, context.deadline)
        if try await needsTwin(source) {
            return try await withTwin(of: source, for: volume, until: deadline) { files in
                try await self.copy(files, of: original, into: volume, in: context)
            }
        }
        try await withUnchanged(source, until: deadline) { isInUse in
            guard !isInUse else {
                throw VolumeError(
                    .inUse,
                    "option from='\(original.name)': the volume is in use, and what is copied while it is written to may be "
                        + "of no use: stop the containers that use it first")
            }
            try await requireCopyable(original)
            let secrets = try await secrets(of: original)
            let originalContext = self.context(original, secrets: secrets, deadline: deadline)
            let driver = try self.driver(named: original.driver)
            try await driver.mount(original, in: originalContext)
            do {
                try await self.copy(
                    driver.mountpoint(of: original, in: originalContext), of: original, into: volume, in: context)
            } catch {
                await unmount(original, until: deadline)
                throw error
            }
            await unmount(original, until: deadline)
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

    /// Mounts a volume that is being created, and copies files into it.
    private func copy(
        _ files: FilePath, of source: Volume, into volume: Volume, in context: DriverContext
    ) async throws {
        let driver = try driver(named: volume.driver)
        do {
            try await driver.mount(volume, in: context)
            let copy = driver.mountpoint(of: volume, in: context)
            try await copies.during(volume.name, from: files, to: copy) {
                try await Self.copy(files, to: copy, from: source, to: volume, until: context.deadline)
            }
            try await driver.unmount(volume, in: context)
        } catch {
            try await driver.release(volume, in: context)
            throw error
        }
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
            guard isFull, let size = volume.options.size else {
                throw VolumeError(.io, "cannot copy volume '\(source.name)' into '\(volume.name)'", cause: error)
            }
            throw VolumeError(
                .io,
                "cannot copy volume '\(source.name)' into '\(volume.name)': its files do not fit into \(size); give it a "
                    + "larger size=", cause: error)
        }
    }

    // MARK: - A copy to copy from

    /// Whether files are to be copied from a copy of what the source is in: a snapshot stays as it is, and what somebody
    /// writes to is not the same from one file to the next.
    private func needsTwin(_ source: CopySource) async throws -> Bool {
        guard source.snapshot == nil else { return true }
        let driver = try driver(named: source.volume.driver)
        guard driver is any SnapshotDriver, driver.keepsDataInside(source.volume) else { return false }
        return try await isInUse(source.volume)
    }

    /// Works with a copy of a volume that nobody sees, and that is gone afterwards.
    ///
    /// - Parameters:
    ///   - source: What it is a copy of.
    ///   - volume: The volume that somebody waits for.
    ///   - deadline: When to give up.
    ///   - body: What to do with it; it is given the path of the files.
    /// - Throws: What `body` does, or ``VolumeError``, with code `inUse` where no copy of what is being written can be made.
    private func withTwin(
        of source: CopySource, for volume: Volume, until deadline: ContinuousClock.Instant,
        _ body: (FilePath) async throws -> Void
    ) async throws {
        // The names of drafts: what a crash leaves mounted under one is nobody's.
        let unique = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        var twin = source.volume.named(try VolumeName("draft-\(unique)"))
        let driver = try driver(named: twin.driver)
        let staging = try await BlockingWork.run { [store, sharing] in try store.stage(for: sharing) }
        let context = context(twin, root: staging, deadline: deadline)
        do {
            guard let state = try await copyContent(source, into: twin, for: volume.name, in: context) else {
                throw VolumeError(
                    .unavailable,
                    "volume '\(source.volume.name)' is larger than its record says, since a resize was cut off: stop the "
                        + "containers that use it, resize it, and copy it as it is then")
            }
            twin.state = state
            twin.state = try await driver.create(twin, in: context)
            try await driver.mount(twin, in: context)
            try await body(driver.mountpoint(of: twin, in: context))
        } catch {
            await takeBack(twin, of: driver, at: staging)
            throw error
        }
        await takeBack(twin, of: driver, at: staging)
    }

    private func takeBack(_ twin: Volume, of driver: any VolumeDriver, at staging: FilePath) async {
        let context = context(twin, root: staging, deadline: .now + limits.short)
        do {
            try await driver.release(twin, in: context)
        } catch {
            context.logger.warning("a copy that was to be copied from stays mounted", metadata: ["error": "\(error)"])
        }
        await undo(twin, of: driver, in: context)
    }
}
