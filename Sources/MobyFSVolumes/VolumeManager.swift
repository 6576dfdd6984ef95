// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
package import Logging
import MobyFSHost
import Synchronization
package import SystemPackage

/// All volumes of this host: what exists, who holds what, and one piece of work at a time on each.
///
/// What the engine only reads is answered from an index in memory and never waits. What changes a volume waits
/// for other work on the same volume and for nothing else.
package final class VolumeManager: Sendable {
    struct Entry {
        var volume: Volume?
        var holders = VolumeHolders()
        /// Why the volume cannot be served.
        var trouble: String?
        /// Why the last Mount failed, until one succeeds.
        var mountFailure: String?
    }

    private struct State {
        var entries: [VolumeName: Entry] = [:]
        /// Why the pool could not be read, so that nothing is certain about volumes that are not in the index.
        var poolTrouble: String? = "the volumes are not loaded yet"
    }

    let store: VolumeStore
    let holderStore: HolderStore
    let locks = KeyedLocks<VolumeName>()
    private let poolLock = KeyedLocks<FilePath>()
    let logger: Logger
    private let drivers: [any VolumeDriver]
    let seesHost: Bool
    private let state = Mutex(State())
    private let changes: (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation)
    private let removals: (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation)

    /// Makes a manager that knows no volumes until ``load()``.
    ///
    /// - Parameters:
    ///   - root: The pool.
    ///   - runtimeDirectory: Where holders are kept; on a file system that does not outlive a boot.
    ///   - drivers: The kinds of storage, the default first.
    ///   - seesHost: Whether this process sees all that is mounted on the host; else process 1 is asked.
    ///   - logger: Where to log.
    package init(
        root: FilePath, runtimeDirectory: FilePath, drivers: [any VolumeDriver], seesHost: Bool = true, logger: Logger
    ) {
        store = VolumeStore(root: root, logger: logger)
        holderStore = HolderStore(runtimeDirectory: runtimeDirectory, logger: logger)
        self.drivers = drivers
        self.seesHost = seesHost
        self.logger = logger
        changes = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        removals = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: - The index

    func entry(_ name: VolumeName) -> Entry? {
        state.withLock { $0.entries[name] }
    }

    var entries: [VolumeName: Entry] {
        state.withLock { $0.entries }
    }

    func update(_ name: VolumeName, _ body: (inout Entry) -> Void) {
        state.withLock { body(&$0.entries[name, default: Entry()]) }
        changes.continuation.yield()
    }

    func forget(_ name: VolumeName) {
        state.withLock { $0.entries[name] = nil }
        changes.continuation.yield()
    }

    /// Why the pool could not be read, if so.
    package var poolTrouble: String? {
        state.withLock { $0.poolTrouble }
    }

    /// Something happens in it whenever the number of volumes or of holders may have changed.
    package var changeEvents: AsyncStream<Void> { changes.stream }

    // MARK: - Loading

    /// Reads the pool and the holders.
    ///
    /// A pool that cannot be read or written does not stop the daemon: it is said in the log and in each answer.
    package func load() async {
        do {
            let (contents, holders) = try await BlockingWork.run { [store, holderStore, logger] in
                do {
                    try store.prepare()
                } catch {
                    logger.error("the data folder cannot be written", metadata: ["error": "\(error)"])
                }
                return (try store.load(), holderStore.load())
            }
            state.withLock { state in
                state.poolTrouble = nil
                state.entries = [:]
                for volume in contents.volumes {
                    state.entries[volume.name] = Entry(volume: volume, trouble: troubleWithOptions(of: volume))
                }
                for (name, trouble) in contents.troubled { state.entries[name] = Entry(trouble: trouble) }
                for (name, holders) in holders { state.entries[name]?.holders = holders }
            }
            removals.continuation.yield()
        } catch {
            logger.error("the volumes cannot be loaded", metadata: ["error": "\(error)"])
            state.withLock { $0.poolTrouble = "\(error)" }
        }
        changes.continuation.yield()
    }

    /// What makes a record useless though it parses: a driver or options that nobody could have asked for.
    private func troubleWithOptions(of volume: Volume) -> String? {
        do {
            try driver(named: volume.driver).check(volume.options)
            return nil
        } catch {
            return "its record is not one that mobyfs wrote: \(error.message)"
        }
    }

    /// Tries again to load a pool that could not be read before.
    package func loadIfNeeded() async {
        guard poolTrouble != nil else { return }
        await poolLock.withLock(store.root) {
            if self.poolTrouble != nil { await self.load() }
        }
    }

    /// Throws unless the pool is loaded, after another attempt to load it.
    private func requirePool() async throws {
        await loadIfNeeded()
        guard let trouble = poolTrouble else { return }
        throw VolumeError(
            .unavailable, "the volumes in '\(store.root)' cannot be read: \(trouble); nothing was changed")
    }

    // MARK: - Drivers

    func driver(named name: String) throws(VolumeError) -> any VolumeDriver {
        guard let driver = drivers.first(where: { $0.info.name == name }) else {
            throw VolumeError(.invalidArgument, Suggestion.complaint("driver", name, known: drivers.map(\.info.name)))
        }
        return driver
    }

    func context(_ volume: Volume, root: FilePath? = nil) -> DriverContext {
        var logger = logger
        logger[metadataKey: "volume.name"] = "\(volume.name)"
        logger[metadataKey: "driver.name"] = "\(volume.driver)"
        return DriverContext(root: root ?? store.directory(of: volume.name), logger: logger)
    }

    // MARK: - Creating

    /// Creates a volume.
    ///
    /// - Parameters:
    ///   - name: Any text; it is checked.
    ///   - options: What the user gave. Nil, from `docker run -v`, is content with whatever exists.
    ///   - defaults: Options that count where the user gave none of that name.
    ///   - plugin: The further name of the daemon by which it is asked; nil for the daemon's own.
    /// - Throws: ``VolumeError``; nothing is left behind.
    package func create(
        _ name: String, options: [String: String]?, defaults: [String: String] = [:], plugin: String? = nil
    ) async throws {
        let name = try VolumeName(name)
        let wanted = (options ?? [:]).merging(defaults) { given, _ in given }
        try await locks.withLock(name) {
            try await self.requirePool()
            let existing = self.entry(name)
            if let trouble = existing?.trouble { throw Self.troubled(name, trouble) }
            if let volume = existing?.volume, volume.removedAt == nil {
                if options != nil { try await self.compare(volume, with: wanted) }
                return
            }
            let kept = existing?.volume
            if options == nil, var volume = kept {
                // Nothing is asked for, so it is what it was.
                volume.removedAt = nil
                return try await self.create(volume, over: kept)
            }
            var wish = try await BlockingWork.run { try self.wish(name, wanted) }
            wish.plugin = plugin
            try await self.create(wish, over: kept)
        }
    }

    /// A volume as it is asked for, checked.
    ///
    /// Blocks where names of users are looked up.
    private func wish(_ name: VolumeName, _ given: [String: String]) throws(VolumeError) -> Volume {
        let driver = try driver(named: given["driver"] ?? drivers[0].info.name)
        let options = try VolumeOptions(given, for: driver.info)
        try driver.check(options)
        return Volume(name: name, driver: driver.info.name, options: options)
    }

    /// Checks options without creating anything.
    ///
    /// - Throws: ``VolumeError`` with code `invalidArgument`.
    package func check(_ options: [String: String]) async throws {
        let name = try VolumeName("check")
        _ = try await BlockingWork.run { try self.wish(name, options) }
    }

    private func compare(_ volume: Volume, with given: [String: String]) async throws {
        let wish = try await BlockingWork.run { try self.wish(volume.name, given) }
        guard volume.driver == wish.driver else {
            throw VolumeError(
                .alreadyExists,
                "volume '\(volume.name)' exists with driver '\(volume.driver)', asked for '\(wish.driver)'")
        }
        guard let difference = volume.options.difference(from: wish.options) else { return }
        throw VolumeError(
            .alreadyExists,
            "volume '\(volume.name)' exists with other options: \(difference); use the volume as it is, or remove it first"
        )
    }

    private func create(_ wish: Volume, over kept: Volume?) async throws {
        var volume = wish
        let driver = try driver(named: volume.driver)
        if kept != nil {
            guard driver.keepsDataInside(volume) else {
                throw VolumeError(
                    .alreadyExists,
                    "the data of an earlier volume '\(volume.name)' was kept in '\(store.directory(of: volume.name))' "
                        + "and would be out of reach: take the data up by leaving mountpoint out, or move that folder away"
                )
            }
            volume.isAdopted = true
            volume.state = try await driver.create(volume, in: context(volume))
            try await BlockingWork.run { [store, volume] in try store.save(volume) }
        } else {
            let staging = try await BlockingWork.run { [store] in try store.stage() }
            let context = context(volume, root: staging)
            do {
                volume.state = try await driver.create(volume, in: context)
                try await BlockingWork.run { [store, volume] in try store.commit(staging, as: volume) }
            } catch {
                await undo(volume, of: driver, in: context)
                throw error
            }
        }
        update(volume.name) { $0.volume = volume }
        context(volume).logger.info("volume created")
    }

    private func undo(_ volume: Volume, of driver: any VolumeDriver, in context: DriverContext) async {
        do {
            try await driver.remove(volume, in: context)
        } catch {
            context.logger.warning("a half-made volume is not taken back whole", metadata: ["error": "\(error)"])
        }
        await BlockingWork.run { [store] in store.discard(context.root) }
    }

    // MARK: - Removing

    /// Removes a volume that nobody holds; one that does not exist is no error.
    package func remove(_ name: String) async throws {
        let name = try VolumeName(name)
        try await locks.withLock(name) {
            try await self.requirePool()
            guard let entry = self.entry(name) else { return }
            if let trouble = entry.trouble { throw Self.troubled(name, trouble) }
            guard let volume = entry.volume, volume.removedAt == nil else { return }
            guard !volume.options.isProtected else {
                throw VolumeError(
                    .protected,
                    "volume '\(name)' is protected: set \"protected\" to \"false\" in "
                        + "'\(self.store.directory(of: name))/record.json' and restart mobyfs to be able to remove it")
            }
            try await self.refuseIfHeld(volume)
            try await self.refuseIfMountedInside(volume)
            try await self.remove(volume)
        }
    }

    private func remove(_ volume: Volume) async throws {
        let driver = try driver(named: volume.driver)
        let context = context(volume)
        try await driver.unmount(volume, in: context)
        try await driver.remove(volume, in: context)
        let name = volume.name
        if volume.removalPolicy == .keep, driver.keepsDataInside(volume) {
            var kept = volume
            kept.removedAt = .now
            try await BlockingWork.run { [store, holderStore, kept] in
                try holderStore.save(VolumeHolders(), of: name)
                try store.save(kept)
            }
            update(name) { $0 = Entry(volume: kept) }
        } else {
            let place = try await BlockingWork.run { [store, holderStore] in
                try holderStore.save(VolumeHolders(), of: name)
                return try store.moveToTrash(name)
            }
            forget(name)
            removals.continuation.yield()
            context.logger.info("volume moved to the trash", metadata: ["file.path": "\(place)"])
        }
        context.logger.info("volume removed")
    }

    /// Deletes removed volumes as they come, until the task is cancelled.
    package func emptyTrash() async {
        for await _ in removals.stream {
            await BlockingWork.run { [store] in store.emptyTrash() }
        }
    }

    static func troubled(_ name: VolumeName, _ trouble: String) -> VolumeError {
        VolumeError(.unavailable, "volume '\(name)' is there but cannot be served: \(trouble)")
    }
}
