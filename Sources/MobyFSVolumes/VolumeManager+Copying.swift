// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import SystemPackage

/// `from=VOLUME`: a new volume begins with a copy of another's data.
extension VolumeManager {
    private static let copy = HelperProgram("cp", package: "coreutils")

    /// The volume that another is to begin as; nil if none was asked for.
    ///
    /// - Throws: ``VolumeError`` if there is none of that name, or it is the same one.
    func source(of volume: Volume) throws(VolumeError) -> Volume? {
        guard let text = volume.options["from"] else { return nil }
        let name: VolumeName
        do {
            name = try VolumeName(text)
        } catch {
            throw VolumeError(.invalidArgument, "option from='\(text)': \(error.message)")
        }
        guard name != volume.name else {
            throw VolumeError(.invalidArgument, "option from='\(text)' names the new volume itself")
        }
        let entry = entry(name)
        if let trouble = entry?.trouble { throw Self.troubled(name, trouble) }
        guard let source = entry?.volume, source.removedAt == nil else {
            throw VolumeError(.notFound, "option from='\(text)': no such volume; see 'docker volume ls'")
        }
        return source
    }

    /// Copies a volume's data into one that is being created.
    ///
    /// - Parameters:
    ///   - source: A volume that nobody holds: half of what is being written would be no use to anybody.
    ///   - volume: The new one, which is empty.
    ///   - context: Of the new one.
    /// - Throws: ``VolumeError``; part of the data may be there.
    func copy(_ source: Volume, into volume: Volume, in context: DriverContext) async throws {
        let deadline = context.deadline
        guard await locks.lock(source.name, until: deadline) else {
            throw VolumeError(.unavailable, "volume '\(source.name)' is busy: try again")
        }
        defer { locks.unlock(source.name) }
        guard let entry = entry(source.name), entry.volume == source else {
            throw VolumeError(.notFound, "option from='\(source.name)': the volume has just changed; try again")
        }
        guard entry.holders.isEmpty else {
            throw VolumeError(
                .inUse,
                "option from='\(source.name)': the volume is in use by \(entry.holders), and what is copied while it is "
                    + "written to may be of no use: stop the containers that use it first")
        }
        let sourceContext = self.context(source, secrets: try await secrets(of: source), deadline: deadline)
        let (sourceDriver, driver) = (try self.driver(named: source.driver), try self.driver(named: volume.driver))
        try await sourceDriver.mount(source, in: sourceContext)
        do {
            try await driver.mount(volume, in: context)
            try await Self.copy(
                sourceDriver.mountpoint(of: source, in: sourceContext), to: driver.mountpoint(of: volume, in: context),
                from: source, to: volume, until: deadline)
            try await driver.unmount(volume, in: context)
        } catch {
            await unmount(source, until: deadline)
            try await driver.release(volume, in: context)
            throw error
        }
        await unmount(source, until: deadline)
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
            // "/." copies what is in the directory, and its owner and mode.
            try await copy.run(
                ["--archive", "--reflink=auto", "--one-file-system", "--", path.string + "/.", other.string],
                until: deadline)
            try await BlockingWork.run { try Directories.syncFileSystem(of: other) }
        } catch {
            let lines = (error as? HelperError)?.lines ?? []
            let isFull = lines.contains { $0.contains("No space left") || $0.contains("quota") }
            let advice = isFull && volume.options.size != nil ? "; give it a larger size=" : ""
            throw VolumeError(
                .io, "cannot copy volume '\(source.name)' into '\(volume.name)'\(advice)", cause: error)
        }
    }
}
