// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import Synchronization
import SystemPackage

extension VolumeManager {
    /// Creates a volume.
    ///
    /// - Parameters:
    ///   - name: Any text; it is checked.
    ///   - options: What the user gave. Nil, from `docker run -v`, is content with whatever exists.
    ///   - defaults: Options that count where the user gave none of that name.
    ///   - plugin: The further name of the daemon by which it is asked; nil for the daemon's own.
    ///   - limit: How long it may take; nil for as long as an engine waits.
    /// - Throws: ``VolumeError``; nothing is left behind.
    package func create(
        _ name: String, options: [String: String]?, defaults: [String: String] = [:], plugin: String? = nil,
        within limit: Duration? = nil
    ) async throws {
        let name = try VolumeName(name)
        let wanted = (options ?? [:]).merging(defaults) { given, _ in given }
        if wanted["from"] != nil { await refresh(nil) }
        try await work(on: name, for: .creating, within: limit ?? limits.long) { deadline in
            let existing = await self.present(name)
            if let trouble = existing?.trouble { throw Self.troubled(name, trouble) }
            if let volume = existing?.volume, volume.removedAt == nil {
                if options != nil { try await self.compare(volume, with: wanted) }
                return
            }
            let kept = existing?.volume
            if options == nil, var volume = kept {
                // Nothing is asked for, so it is what it was.
                volume.removedAt = nil
                let secrets = try await self.secrets(of: volume)
                return try await self.create(Wish(volume: volume, secrets: secrets), over: kept, until: deadline)
            }
            var wish = try await self.wish(for: name, wanted, kept: kept)
            wish.volume.plugin = plugin
            try await self.create(wish, over: kept, until: deadline)
        }
    }

    /// Checks what is asked for, and that it can be had here.
    func wish(for name: VolumeName, _ wanted: [String: String], kept: Volume? = nil) async throws -> Wish {
        try await BlockingWork.run {
            let wish = try self.wish(name, wanted, existing: kept?.driver)
            let driver = try self.driver(named: wish.volume.driver)
            try self.requireVisibility(of: wish.volume, with: driver)
            try self.requireSnapshots(wish.volume)
            do {
                try self.choice.requireHardSize(driver, wish.volume.options)
            } catch  where kept != nil {
                throw VolumeError(
                    .invalidArgument,
                    "the data of an earlier volume '\(name)' was kept with driver '\(driver.info.name)', which is to go on; "
                        + "move '\(self.store.directory(of: name))' away to begin anew", cause: error)
            }
            return wish
        }
    }

    /// A volume as it is asked for.
    struct Wish: Sendable {
        var volume: Volume
        var secrets: [String: Secret]
    }

    /// Checks what is asked for.
    ///
    /// Blocks where names of users are looked up, and where the disk says which driver suits.
    private func wish(
        _ name: VolumeName, _ given: [String: String], existing: String? = nil, isWhole: Bool = true
    ) throws(VolumeError) -> Wish {
        let given = try whole(given, of: name)
        let driver = try choice.driver(for: given, existing: existing)
        let others = drivers.map(\.info).filter { $0.name != driver.info.name }
        let parsed = try OptionParser(driver, others: others).parse(given, asWhole: isWhole)
        let volume = Volume(name: name, driver: driver.info.name, options: parsed.options)
        return Wish(volume: volume, secrets: parsed.secrets)
    }

    /// What is asked for, with what a copy has from its original.
    ///
    /// A volume that is there already has it from itself: the original may be gone.
    private func whole(_ given: [String: String], of name: VolumeName) throws(VolumeError) -> [String: String] {
        guard let from = given["from"] else { return given }
        if let volume = entry(name)?.volume, volume.removedAt == nil, volume.options["from"] == from {
            return try inheriting(given, from: volume)
        }
        do {
            return try source(named: from, for: name).map { source throws(VolumeError) in
                try inheriting(given, from: source.volume)
            } ?? given
        } catch let error as VolumeError {
            throw error
        } catch {
            throw VolumeError(.io, "option from='\(from.excerpt())' cannot be looked up", cause: error)
        }
    }

    /// Throws if what the driver mounts would be seen by nobody but this process.
    private func requireVisibility(of volume: Volume, with driver: any VolumeDriver) throws(VolumeError) {
        let context = context(volume)
        guard !seesHost, driver.mountpoint(of: volume, in: context).starts(with: context.mounts) else { return }
        throw VolumeError(
            .invalidArgument,
            "driver '\(volume.driver)' mounts something, and what a managed plugin mounts its engine does not see: install "
                + "the mobyfs package instead, or use driver=directory")
    }

    /// Checks options that volumes are to have unless asked otherwise, without creating anything.
    ///
    /// - Throws: ``VolumeError`` with code `invalidArgument`.
    package func check(_ options: [String: String]) async throws {
        let name = try VolumeName("check")
        _ = try await BlockingWork.run { try self.wish(name, options, isWhole: false) }
    }

    /// Throws unless a volume is what is asked for.
    private func compare(_ volume: Volume, with given: [String: String]) async throws {
        let wish = try await BlockingWork.run { try self.wish(volume.name, given, existing: volume.driver) }
        guard volume.driver == wish.volume.driver else {
            throw VolumeError(
                .alreadyExists,
                "volume '\(volume.name)' exists with driver '\(volume.driver)', asked for '\(wish.volume.driver)'")
        }
        // Who asks for the size that it was created with means this volume, resized as it may be.
        var present = volume.options
        if let size = volume.createdSize, size == wish.volume.options.size { present = present.with(size: size) }
        var difference: String?
        if present != wish.volume.options {
            // Some drivers need more to say what they do by default.
            let plain = await BlockingWork.run { try? self.wish(volume.name, [:], existing: volume.driver) }
            let defaults = plain?.volume.options.values.filter { given[$0.key] == nil } ?? [:]
            difference = present.difference(from: wish.volume.options, defaults: defaults)
        }
        if difference == nil, try await secrets(of: volume) != wish.secrets {
            difference = "another password is asked for"
        }
        guard let difference else { return }
        throw VolumeError(
            .alreadyExists,
            "volume '\(volume.name)' exists with other options: \(difference); use the volume as it is, or remove it first"
        )
    }

    /// The passwords that a volume was created with.
    func secrets(of volume: Volume) async throws -> [String: Secret] {
        guard volume.options.values.values.contains(Secret.placeholder) else { return [:] }
        return try await BlockingWork.run { [store] in
            do {
                return try store.secrets(of: volume.name)
            } catch {
                throw VolumeError(
                    .unavailable, "the password of volume '\(volume.name)' cannot be read: create the volume anew",
                    cause: error)
            }
        }
    }

    private func create(_ wish: Wish, over kept: Volume?, until deadline: ContinuousClock.Instant) async throws {
        var volume = wish.volume
        let driver = try driver(named: volume.driver)
        if let kept {
            guard volume.options["from"] == nil else {
                throw VolumeError(
                    .alreadyExists,
                    "the data of an earlier volume '\(volume.name)' was kept in '\(store.directory(of: volume.name))': "
                        + "leave from out to take it up, or move that folder away")
            }
            try requireReach(of: kept, for: volume)
            if let trouble = await BlockingWork.run({ self.troubleWithData(of: kept) }) {
                throw VolumeError(
                    .unavailable,
                    "the data of an earlier volume '\(volume.name)' was kept, and cannot be taken up: \(trouble)")
            }
            volume.isAdopted = true
            volume.state = kept.state
            let context = context(volume, secrets: wish.secrets, deadline: deadline)
            volume.state = try await driver.create(volume, in: context)
            try await commit { [volume] store in
                try store.save(wish.secrets, in: store.directory(of: volume.name))
                try store.save(volume)
            }
        } else {
            let staging: FilePath
            (volume, staging) = try await stage(wish, until: deadline)
            do {
                try await commit { [volume] store in
                    try store.save(wish.secrets, in: staging)
                    try store.commit(staging, as: volume)
                }
            } catch {
                await undo(
                    volume, of: driver,
                    in: context(volume, root: staging, secrets: wish.secrets, deadline: deadline))
                throw Self.failure(volume, error)
            }
        }
        update(volume.name) { $0.volume = volume }
        let logger = context(volume).logger
        logger.info("volume created")
        if let warning = volume.warning { logger.warning("\(warning)") }
    }

    /// Makes the storage of a new volume, where no volume is seen yet.
    ///
    /// - Returns: The volume with what its driver has said, and where it is.
    func stage(
        _ wish: Wish, until deadline: ContinuousClock.Instant
    ) async throws -> (volume: Volume, staging: FilePath) {
        var volume = wish.volume
        let driver = try driver(named: volume.driver)
        let source = try await BlockingWork.run { [volume] in
            try self.source(named: volume.options["from"], for: volume.name)
        }
        let staging: FilePath
        do {
            staging = try await BlockingWork.run { [store, sharing] in try store.stage(for: sharing) }
        } catch {
            throw Self.failure(volume, error)
        }
        let context = context(volume, root: staging, secrets: wish.secrets, deadline: deadline)
        do {
            if let source, let state = try await copyContent(source, into: volume, in: context) {
                volume.state = state
                volume.state = try await driver.create(volume, in: context)
                try await requireRoom(for: volume, with: driver, in: context)
            } else {
                volume.state = try await driver.create(volume, in: context)
                if let source { try await copyFiles(source, into: volume, in: context) }
            }
            return (volume, staging)
        } catch {
            await undo(volume, of: driver, in: context)
            throw Self.failure(volume, error)
        }
    }

    /// Throws if a volume holds more than it may, as a copy can.
    private func requireRoom(
        for volume: Volume, with driver: any VolumeDriver, in context: DriverContext
    ) async throws {
        guard let size = volume.options.size,
            let used = try await BlockingWork.run({ try driver.usage(of: volume, in: context)?.usedBytes }),
            used > size.bytes
        else { return }
        throw VolumeError(
            .invalidArgument,
            "option size='\(size.normal)' means \(size): what is to be copied takes \(ByteSize(bytes: used)); give a larger "
                + "size=")
    }

    /// Says which volume it is about, unless the error does.
    private static func failure(_ volume: Volume, _ error: any Error) -> any Error {
        error is SystemCallError ? VolumeError.failure("cannot create volume '\(volume.name)'", error) : error
    }

    /// Throws if data that was kept would be out of reach for the volume that is to take it up.
    private func requireReach(of kept: Volume, for volume: Volume) throws {
        let isReached = try volume.driver == kept.driver && driver(named: volume.driver).keepsDataInside(volume)
        guard !isReached else { return }
        throw VolumeError(
            .alreadyExists,
            "the data of an earlier volume '\(kept.name)' with driver '\(kept.driver)' was kept in "
                + "'\(store.directory(of: kept.name))' and would be out of reach: take the data up by leaving "
                + "\(volume.driver == kept.driver ? "mountpoint" : "driver '\(volume.driver)' and its options") out, or "
                + "move that folder away")
    }

    func undo(_ volume: Volume, of driver: any VolumeDriver, in context: DriverContext) async {
        do {
            try await driver.remove(volume, in: context)
        } catch {
            context.logger.warning("a half-made volume is not taken back whole", metadata: ["error": "\(error)"])
        }
        let isGone = await BlockingWork.run { [store] in store.discard(context.root) }
        if !isGone { leftovers.withLock { $0.append(context.root) } }
    }

    /// Deletes what an earlier process has left in volumes, and tries again to delete half-made ones: something may have
    /// been at work in them.
    package func discardLeftovers() async {
        await collectCutOffSnapshots()
        let paths = leftovers.withLock { paths in
            defer { paths = [] }
            return paths
        }
        guard !paths.isEmpty else { return }
        let left = await BlockingWork.run { [store] in paths.filter { !store.discard($0) } }
        leftovers.withLock { $0 += left }
    }
}
