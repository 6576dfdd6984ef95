// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
package import Logging
package import MobyFSHost
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
        /// Whether their file says something else, as it could not be written.
        var isFileBehind = false
        /// When and where it was last made sure that the volume is mounted, and what ``VolumeManager/mountWatch`` said then.
        var seenMounted: (time: ContinuousClock.Instant, generation: UInt64?, mountpoint: FilePath)?
        /// Why the volume cannot be served.
        var trouble: String?
        /// Why the last Mount failed, until one succeeds.
        var mountFailure: String?
        /// Why a volume in use is not held to its size, though it should be.
        var limitTrouble: String?
        /// Whether nobody holds the volume and something of it may be mounted all the same.
        var isIdle = false
        /// Whether all that is known of it is that somebody holds it.
        var isMissing = false
        /// Whether all that is known of it is that it was there when the pool was read last, before this process.
        var isRecalled = false
        /// When it has changed, as ``State/version`` counts.
        var version: UInt64 = 0
    }

    private struct State {
        /// Rises with each change of what can be said of volumes.
        var version: UInt64 = 0
        /// Its value when something changed that is to be said of all of them.
        var poolVersion: UInt64 = 0
        var index = VolumeIndex()
        /// Why the pool could not be read, so that nothing is certain about volumes that are not in the index.
        var poolTrouble: String? = "the volumes are not loaded yet" {
            didSet { poolHasChanged() }
        }
        /// Whether the index has the volumes that there were when it was read last, before this process.
        var isRecalled = false
        /// Where the pool was that is in the index, and where its file system was mounted.
        var place: StoragePlace?
        var mountpoint: FilePath?
        /// Why the pool cannot be reached just now, though it was read before.
        var poolSickness: String? {
            didSet { if poolSickness != oldValue { poolHasChanged() } }
        }
        /// Why nothing can be written to the pool, though it can be read.
        var poolCondition: String?
        /// The latest attempt to read the pool, while it goes on.
        var load: PoolLoad?
        var loadCount: UInt64 = 0

        /// Whether it is known which volumes there are.
        var isKnown: Bool { poolTrouble == nil || isRecalled }

        private mutating func poolHasChanged() {
            version += 1
            poolVersion = version
        }

        mutating func change(_ name: VolumeName, _ body: (inout Entry) -> Void) {
            version += 1
            index.change(name) { [version] entry in
                body(&entry)
                entry.version = version
            }
        }

        mutating func forget(_ name: VolumeName) {
            version += 1
            index.forget(name)
        }
    }

    let store: VolumeStore
    let holderStore: HolderStore
    /// Where drivers mount: a folder for each volume.
    let mounts: FilePath
    package let limits: TimeLimits
    let locks = VolumeLocks()
    let poolLock = KeyedLocks<FilePath>()
    let probe: StorageProbe
    let mountUnits: MountUnits
    let mountWatch = MountTableWatch()
    /// So that nothing is given back from the trash while it is being deleted.
    let trashLock = KeyedLocks<FilePath>()
    let logger: Logger
    let drivers: [any VolumeDriver]
    let seesHost: Bool
    /// What is said to other hosts with the same pool; nil where there are none.
    let sharing: SharedPool?
    let view = PoolView()
    private let state = Mutex(State())
    /// Volumes that are being filled, by ID; the name of each is locked.
    let drafts = Mutex<[String: Draft]>([:])
    /// Half-made volumes and snapshots that are to be deleted, and could not be yet.
    let leftovers = Mutex<[FilePath]>([])
    /// Volumes in which it is still to be looked for what an earlier process has left.
    let unsearched = Mutex<[VolumeName]>([])
    /// What looks whether the volumes that were read last have their data.
    let dataSearch = Mutex<Task<Void, any Error>?>(nil)
    /// The names that ``memory`` has.
    let remembered = Mutex<[VolumeName]?>(nil)
    /// Where the names of volumes are kept for a start without the pool; nil for nowhere.
    let memory: VolumeMemory?
    let deletionClock = Mutex(DeletionClock())
    /// Copies that somebody may want to see the progress of.
    let copies = CopyWatch()
    /// Makes sure that no other daemon works in the pool that is at the data folder now.
    let claim: @Sendable () async throws -> Void
    private let changes: (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation)
    let removals: (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation)

    /// Makes a manager that knows no volumes until ``load()``.
    ///
    /// - Parameters:
    ///   - root: The pool.
    ///   - runtimeDirectory: Where holders are kept; on a file system that does not outlive a boot.
    ///   - drivers: The kinds of storage, the default first.
    ///   - seesHost: Whether this process sees all that is mounted on the host; else process 1 is asked.
    ///   - sharing: What is said to other hosts with the same pool; nil where there are none.
    ///   - mountUnits: What is to be mounted on this host.
    ///   - memory: Where the names of volumes are kept for a start without the pool; nil for nowhere.
    ///   - limits: How long calls may take.
    ///   - logger: Where to log.
    ///   - claim: Throws unless no other daemon works in the pool that is at `root` now; asked when there is another than
    ///     before.
    package init(
        root: FilePath, runtimeDirectory: FilePath, drivers: [any VolumeDriver], seesHost: Bool = true,
        sharing: SharedPool? = nil, mountUnits: MountUnits = MountUnits(), memory: VolumeMemory? = nil,
        limits: TimeLimits = TimeLimits(), logger: Logger, claim: @escaping @Sendable () async throws -> Void = {}
    ) {
        self.claim = claim
        self.mountUnits = mountUnits
        self.memory = memory
        store = VolumeStore(root: root, logger: logger) { directory in
            for driver in drivers { try driver.purge(directory) }
        }
        mounts = runtimeDirectory.appending("mounts")
        probe = StorageProbe(root, patience: limits.short) { [store] in try store.requireWhole(at: $0) }
        self.limits = limits
        holderStore = HolderStore(runtimeDirectory: runtimeDirectory, logger: logger)
        self.drivers = drivers
        self.seesHost = seesHost
        self.sharing = sharing
        self.logger = logger
        changes = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        removals = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: - The index

    func entry(_ name: VolumeName) -> Entry? {
        state.withLock { $0.index.entries[name] }
    }

    /// Whether anything is known of a volume.
    func hasEntry(_ name: VolumeName) -> Bool {
        state.withLock { $0.index.entries.index(forKey: name) != nil }
    }

    var entries: [VolumeName: Entry] {
        state.withLock { $0.index.entries }
    }

    /// How many volumes there are.
    package var counts: VolumeCounts {
        state.withLock { $0.index.counts }
    }

    /// A number that is another one once something else is to be said of a volume, or, for nil, of any.
    ///
    /// - Returns: Nil where there is nothing to be said.
    package func version(of text: String?) -> UInt64? {
        guard let text else { return state.withLock { $0.isKnown ? $0.version : nil } }
        guard let name = try? VolumeName(text) else { return nil }
        return state.withLock { state in state.index.version(of: name).map { max($0, state.poolVersion) } }
    }

    /// All volumes by name, with what ``version(of:)`` says of each.
    ///
    /// - Parameter isWanted: Whether one is to be among them; it is given nil for one that cannot be served.
    /// - Returns: Nil if nothing is certain about them.
    package func versions(where isWanted: (Volume?) -> Bool) -> [(name: VolumeName, version: UInt64)]? {
        state.withLock { state -> [(name: VolumeName, version: UInt64)]? in
            guard state.isKnown else { return nil }
            return state.index.entries.compactMap { name, entry in
                guard entry.isListed, isWanted(entry.volume) else { return nil }
                return (name, max(entry.version, state.poolVersion))
            }
        }?.sorted { $0.name < $1.name }
    }

    func update(_ name: VolumeName, _ body: (inout Entry) -> Void) {
        state.withLock { $0.change(name, body) }
        view.touch(name)
        changes.continuation.yield()
    }

    func forget(_ name: VolumeName) {
        state.withLock { $0.forget(name) }
        view.touch(name)
        if sharing != nil { view.note(nil, of: name) }
        changes.continuation.yield()
    }

    /// Takes for the volumes that there are those that there were, unless the pool was read meanwhile.
    func recall(_ entries: [VolumeName: Entry]) {
        state.withLock { state in
            guard state.poolTrouble != nil, state.place == nil else { return }
            state.index = VolumeIndex(entries)
            state.isRecalled = true
        }
    }

    /// Whether it is known which volumes there are.
    var isKnown: Bool { state.withLock { $0.isKnown } }

    /// Why the pool could not be read, if so.
    package var poolTrouble: String? {
        state.withLock { $0.poolTrouble }
    }

    /// Why the pool cannot be reached just now, if so; the volumes that were read of it are answered for.
    package var poolSickness: String? {
        state.withLock { $0.poolSickness }
    }

    func noteSickness(_ sickness: String?) {
        note(sickness, as: \.poolSickness, "the pool is sick; its volumes are answered for", "the pool is well again")
    }

    /// Why nothing can be written to the pool, though it can be read, as it was seen last.
    package var poolCondition: String? {
        state.withLock { $0.poolCondition }
    }

    func noteCondition(_ condition: String?) {
        note(condition, as: \.poolCondition, "the pool cannot be written", "the pool can be written again")
    }

    private func note(
        _ error: String?, as place: any WritableKeyPath<State, String?> & Sendable, _ begin: Logger.Message,
        _ end: Logger.Message
    ) {
        let before = state.withLock { state in
            defer { state[keyPath: place] = error }
            return state[keyPath: place]
        }
        guard before != error else { return }
        if let error {
            logger.error(begin, metadata: ["error": "\(error)"])
        } else {
            logger.notice(end)
        }
        changes.continuation.yield()
    }

    /// Notes why nothing is known of the volumes, unless something is by now.
    func noteUnloaded(_ trouble: String) {
        let isNew = state.withLock { state in
            guard state.poolTrouble != nil, state.poolTrouble != trouble else { return false }
            state.poolTrouble = trouble
            return true
        }
        if isNew { logger.error("the volumes are not loaded", metadata: ["error": "\(trouble)"]) }
        changes.continuation.yield()
    }

    /// Where the pool was that is in the index.
    var place: StoragePlace? { state.withLock { $0.place } }

    /// Where the file system was mounted that the index was read from.
    var poolMountpoint: FilePath? { state.withLock { $0.mountpoint } }

    func note(_ place: StoragePlace?, mountedAt mountpoint: FilePath?) {
        state.withLock { ($0.place, $0.mountpoint) = (place, mountpoint) }
    }

    /// Has the pool be looked at anew before anything is done with it.
    package func forgetPlace() {
        state.withLock { $0.place = nil }
    }

    /// Something happens in it whenever the number of volumes or of holders may have changed.
    package var changeEvents: AsyncStream<Void> { changes.stream }

    // MARK: - Loading

    /// Reads the pool and the holders, and looks for the volumes' data.
    ///
    /// A pool that cannot be read or written does not stop the daemon: it is said in the log and in each answer.
    package func load() async {
        await load(number: nil)
        await awaitDataSearch()
    }

    /// An attempt to read the pool.
    struct PoolLoad {
        let number: UInt64
        /// Where the pool was then.
        let place: StoragePlace?
        let task: Task<Void, any Error>
    }

    /// Joins the attempt to read the pool that goes on where it is, or begins one.
    func beginLoad(at place: StoragePlace?) -> (load: PoolLoad, isNew: Bool) {
        state.withLock { state in
            if let load = state.load, load.place == place { return (load, false) }
            state.loadCount += 1
            let number = state.loadCount
            let load = PoolLoad(number: number, place: place, task: Task { await self.load(number: number) })
            state.load = load
            return (load, true)
        }
    }

    /// The attempt that goes on in the place of an earlier one, of which nothing came.
    func load(after load: PoolLoad) -> PoolLoad? {
        state.withLock { state in state.load.flatMap { $0.number > load.number ? $0 : nil } }
    }

    /// - Parameter number: Of the attempt: what comes of one counts unless a later one was begun.
    func load(number: UInt64?) async {
        do {
            try await requireMountedPool()
            await BlockingWork.run { [store, logger] in
                do {
                    try store.prepare()
                } catch {
                    logger.error("the data folder cannot be written", metadata: ["error": "\(error)"])
                }
            }
            // Before anything is set aside or deleted.
            try await claim()
            let (place, mountpoint, contents, index) = try await BlockingWork.run { [store, holderStore, sharing] in
                let place = try StoragePlace(of: store.root)
                try store.requireWhole(at: place)
                try sharing?.join()
                let contents = try sharing.map { try store.load(amongHosts: $0.isAbandoned) } ?? store.load()
                let index = self.index(of: contents, heldBy: holderStore.load())
                return (place, try place.mountpoint, contents, index)
            }
            let isLatest = state.withLock { state in
                guard number == nil || state.load?.number == number else { return false }
                state.load = nil
                (state.place, state.mountpoint) = (place, mountpoint)
                (state.poolTrouble, state.isRecalled) = (nil, false)
                state.index = index
                return true
            }
            guard isLatest else { return }
            leftovers.withLock { $0 = contents.leftovers }
            unsearched.withLock { $0 = contents.volumes.map(\.name) }
            beginDataSearch(of: contents.volumes)
            await noteIdleMounts()
            await announceHeld()
        } catch {
            logger.error("the volumes cannot be loaded", metadata: ["error": "\(error)"])
            state.withLock { state in
                guard number == nil || state.load?.number == number else { return }
                state.load = nil
                state.poolTrouble = "\(error)"
            }
        }
        changes.continuation.yield()
    }

    private func index(
        of contents: VolumeStore.Contents, heldBy holders: [VolumeName: VolumeHolders]
    ) -> VolumeIndex {
        var index = VolumeIndex(minimumCapacity: contents.volumes.count + contents.troubled.count)
        for volume in contents.volumes {
            index.add(Entry(volume: volume, trouble: troubleWithOptions(of: volume)), as: volume.name)
        }
        for (name, trouble) in contents.troubled { index.add(Entry(trouble: trouble), as: name) }
        for (name, holders) in holders {
            if index.entries[name] == nil { index.add(Self.missing(name, in: store.root), as: name) }
            index.change(name) { $0.holders = holders }
        }
        return index
    }

    /// What makes a record useless though it parses: a driver or options that nobody could have asked for.
    func troubleWithOptions(of volume: Volume) -> String? {
        do {
            let driver = try driver(named: volume.driver)
            try driver.info.requireNormal(volume.options)
            try driver.check(volume.options)
            return nil
        } catch {
            return "its record is not one that mobyfs wrote: \(error.message)"
        }
    }

    /// A volume that somebody holds, and that the pool lacks: it is forgotten by no engine for that.
    static func missing(_ name: VolumeName, in root: FilePath) -> Entry {
        var entry = Entry()
        entry.trouble =
            "a container holds it, and there is no such volume in '\(root)': mount the file system that it is on"
        entry.isMissing = true
        return entry
    }

    // MARK: - Drivers

    /// How a volume's driver is chosen.
    var choice: DriverChoice { DriverChoice(drivers: drivers, pool: store.volumes) }

    func driver(named name: String) throws(VolumeError) -> any VolumeDriver {
        try choice.driver(named: name)
    }

    /// What the host lends a volume's driver; `root` is another one while the volume is being created.
    func context(
        _ volume: Volume, root: FilePath? = nil, secrets: [String: Secret] = [:],
        deadline: ContinuousClock.Instant = .now
    ) -> DriverContext {
        DriverContext(
            root: root ?? store.directory(of: volume.name), mounts: self.mounts.appending(volume.name.description),
            secrets: secrets, deadline: deadline, logger: self.logger(of: volume))
    }

    private func logger(of volume: Volume) -> Logger {
        var logger = logger
        logger[metadataKey: "volume.name"] = "\(volume.name)"
        logger[metadataKey: "driver.name"] = "\(volume.driver)"
        return logger
    }

    static func troubled(_ name: VolumeName, _ trouble: String) -> VolumeError {
        VolumeError(.unavailable, "volume '\(name)' is there but cannot be served: \(trouble)")
    }
}
