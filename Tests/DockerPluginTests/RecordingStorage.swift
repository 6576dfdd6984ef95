// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSTesting
import Synchronization
import SystemPackage

/// A storage that does nothing but remember what it was asked for.
final class RecordingStorage: VolumeStorage {
    /// A call, with the volume's name.
    enum Call: Hashable, Sendable {
        case create(String), remove(String), mount(String), unmount(String)
    }

    private let recorded = Mutex<[Call]>([])
    private let failing = Mutex<Set<Call>>([])
    private let hook: @Sendable (Call) async throws -> Void

    /// - Parameter hook: Called in each call.
    init(hook: @escaping @Sendable (Call) async throws -> Void = { _ in }) {
        self.hook = hook
    }

    var calls: [Call] { recorded.withLock { $0 } }

    /// From now on these calls fail, and no others.
    func fail(_ calls: Call...) {
        failing.withLock { $0 = Set(calls) }
    }

    private func record(_ call: Call) async throws {
        recorded.withLock { $0.append(call) }
        try await hook(call)
        if failing.withLock({ $0.contains(call) }) { throw PluginError("\(call) fails as the test wants it") }
    }

    func mountpoint(of volume: StoredVolume) -> String { "/m/\(volume.name)" }
    func create(_ volume: StoredVolume) async throws { try await record(.create(volume.name)) }
    func remove(_ volume: StoredVolume) async throws { try await record(.remove(volume.name)) }
    func mount(_ volume: StoredVolume) async throws { try await record(.mount(volume.name)) }
    func unmount(_ volume: StoredVolume) async throws { try await record(.unmount(volume.name)) }
    func status(of volume: StoredVolume) -> [String: JSONValue] { ["colour": "red"] }
}

/// Volumes in a folder that a test may restart, damage and look into.
struct StoredVolumesFixture: Sendable {
    let storage: RecordingStorage
    let folder: FilePath
    /// Of this process, which runs while the test does.
    let engine = Caller(processID: Wire.ownProcessID)
    let reports = Reports()

    final class Reports: Sendable {
        private let reported = Mutex<[String]>([])

        var lines: [String] { reported.withLock { $0 } }

        func add(_ line: String) { reported.withLock { $0.append(line) } }
    }

    /// The plugin as a new process would have it, when the one before is gone: a task that has ended lets go of it a
    /// moment later.
    func restarted() async throws -> StoredVolumes<RecordingStorage> {
        let deadline = ContinuousClock.now + .seconds(90)
        while true {
            do {
                return try started()
            } catch let error as PluginError where error.description.contains("another process") {
                guard ContinuousClock.now < deadline else { throw error }
                await Task.yield()
            }
        }
    }

    /// The plugin, as the first process that uses the folder has it.
    func started() throws -> StoredVolumes<RecordingStorage> {
        try StoredVolumes(storage, in: folder.string) { [reports] in reports.add($0) }
    }

    func file(_ name: String) -> FilePath { folder.appending("\(name).json") }
}

/// Runs `body` with an empty folder that is deleted afterwards.
func withStoredVolumes(
    _ storage: RecordingStorage = RecordingStorage(), _ body: (StoredVolumesFixture) async throws -> Void
) async throws {
    try await withTemporaryDirectory { root in
        try await body(StoredVolumesFixture(storage: storage, folder: root.appending("a/volumes")))
    }
}
