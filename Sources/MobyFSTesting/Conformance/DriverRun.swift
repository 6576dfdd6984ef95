// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSVolumes
import Synchronization
import SystemPackage
import Testing

/// A check under way: volumes of the driver in a pool of their own, and a manager, as often as one is needed.
final class DriverRun: Sendable {
    let fixture: DriverFixture
    private let ground: DriverGround
    let root: FilePath
    private let before: Leftovers
    private let current: Mutex<(manager: VolumeManager, purge: Task<Void, Never>)>

    var pool: FilePath { root.appending("pool") }
    var runtime: FilePath { root.appending("run") }
    var volumes: VolumeManager { current.withLock { $0.manager } }

    init(fixture: DriverFixture, ground: DriverGround, root: FilePath) async {
        self.fixture = fixture
        self.ground = ground
        self.root = root
        current = Mutex(await Self.startManager(ground, root))
        before = await Leftovers(of: root, ground)
    }

    /// A manager that has loaded the pool, and deletes what is removed from it.
    private static func startManager(
        _ ground: DriverGround, _ root: FilePath
    ) async -> (manager: VolumeManager, purge: Task<Void, Never>) {
        let pool = root.appending("pool")
        // A busy machine is no reason to fail.
        let limits = TimeLimits(long: .seconds(300), short: .seconds(300))
        let manager = VolumeManager(
            root: pool, runtimeDirectory: root.appending("run"), drivers: ground.makeDrivers(pool), limits: limits,
            logger: .silent)
        await manager.load()
        return (manager, Task { await manager.emptyTrash() })
    }

    /// Ends what goes on in the background.
    func stop() async {
        let purge = current.withLock { $0.purge }
        purge.cancel()
        await purge.value
    }

    // MARK: What an engine asks for

    /// Creates a volume as the fixture has it, with further options.
    func create(_ name: String, _ more: [String: String] = [:]) async throws {
        let options = try await ground.options(name).merging(more) { $1 }
        try await volumes.create(name, options: options)
    }

    /// Whether volumes of the driver can have snapshots.
    var isSnapshotDriver: Bool {
        get throws {
            try #require(ground.makeDrivers(pool).first { $0.info.name == fixture.driver }) is any SnapshotDriver
        }
    }

    /// Gets as far with a Create as a daemon that is killed before the end.
    func createHalf(_ name: String) async throws {
        let options = try await ground.options(name)
        let driver = try #require(ground.makeDrivers(pool).first { $0.info.name == fixture.driver })
        let parsed = try OptionParser(driver).parse(options)
        let volume = Volume(name: try VolumeName(name), driver: driver.info.name, options: parsed.options)
        let staging = pool.appending("volumes/.new-half")
        try Directories.create(staging, mode: 0o711)
        let context = DriverContext(
            root: staging, mounts: self.runtime.appending("mounts").appending(name), secrets: parsed.secrets,
            deadline: .now + .seconds(100), logger: .silent)
        _ = try await driver.create(volume, in: context)
    }

    func mount(_ name: String, _ id: String = "c") async throws -> FilePath {
        try await volumes.mount(name, id: id, for: nil)
    }

    func unmount(_ name: String, _ id: String = "c") async throws {
        try await volumes.unmount(name, id: id)
    }

    /// Mounts a volume for as long as the body takes.
    func withMounted<Result>(
        _ name: String, isolation: isolated (any Actor)? = #isolation, _ body: (FilePath) async throws -> Result
    ) async throws -> Result {
        let path = try await mount(name, "with")
        let result = try await body(path)
        try await unmount(name, "with")
        return result
    }

    // MARK: What happens to a host

    /// The daemon ends, in whatever way, and another one starts.
    func restart() async {
        await stop()
        let next = await Self.startManager(ground, root)
        current.withLock { $0 = next }
    }

    /// The host goes down and comes up: nothing is mounted, `/run` is empty, memory is forgotten.
    func reboot() async throws {
        try unmountAll()
        try? TreeRemover.remove(runtime)  // none there: nothing was mounted yet
        await restart()
    }

    /// Unmounts what is mounted below the runtime directory, without the manager's knowledge.
    func unmountAll() throws {
        for entry in try MountTable().entries.reversed() where entry.mountpoint.starts(with: runtime) {
            try #require(
                umount2(entry.mountpoint.string, CInt(MNT_DETACH)) == 0, "\(entry.mountpoint): \(Errno.current)")
        }
    }

    // MARK: What is there

    /// What is mounted for a volume.
    func mountsOf(_ name: String) throws -> [FilePath] {
        let folder = runtime.appending("mounts").appending(name)
        return try MountTable().entries.map(\.mountpoint).filter { $0.starts(with: folder) }
    }

    /// A volume that somebody holds is mounted once, if the driver mounts anything.
    func expectMounted(_ name: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let mounts = try mountsOf(name)
        let isRight = fixture.mounting == .never ? mounts.isEmpty : Set(mounts).count == mounts.count && !mounts.isEmpty
        #expect(isRight, "\(mounts)", sourceLocation: sourceLocation)
    }

    /// A volume that nobody holds is not mounted, unless its data is nowhere else.
    func expectReleased(_ name: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        guard fixture.mounting != .untilRemoved else { return }
        try await eventually("'\(name)' is unmounted", sourceLocation: sourceLocation) { try mountsOf(name).isEmpty }
    }

    /// Waits until removed volumes are deleted; then nothing is there that was not there at first.
    func expectNothingLeft(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        var left = Leftovers()
        do {
            try await eventually("nothing is left", sourceLocation: sourceLocation) {
                left = await Leftovers(of: root, ground).without(before)
                return left.isEmpty
            }
        } catch {
            Issue.record("left behind: \(left)", sourceLocation: sourceLocation)
        }
    }

    /// Removes what there is, and unmounts what a failed check has left mounted.
    func removeAll() async throws {
        for description in try volumes.describeAll() {
            let name = description.name.description
            for id in ids(of: name) { try await volumes.unmount(name, id: id) }
            try await volumes.remove(name)
        }
    }

    private func ids(of name: String) -> [String] {
        // The IDs that the checks use; unmounting one that is not there does nothing.
        ["c", "d", "with", "seed"] + (0..<16).map { "c\($0)" }
    }
}

extension DriverRun {
    /// Ends the check: all volumes go, and nothing is left.
    func cleanUp() async throws {
        do {
            try await removeAll()
            try await expectNothingLeft()
        } catch {
            Issue.record("the volumes cannot be removed: \(error)")
        }
        await stop()
        // A check that failed may have left more; the directory could not be deleted around it.
        try unmountAll()
    }
}

extension FilePath {
    /// The file in this directory has this content.
    func expectText(
        _ text: String, in file: FilePath.Component, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        #expect(try appending(file).text == text, sourceLocation: sourceLocation)
    }

    /// The directory has these entries.
    func expectEntries(_ names: Set<String>, sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(Set(try Directories.entries(of: self)) == names, sourceLocation: sourceLocation)
    }
}

extension Errno {
    static var current: Errno { Errno(rawValue: errno) }
}
