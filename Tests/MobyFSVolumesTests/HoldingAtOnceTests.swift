// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@testable import MobyFSVolumes

/// Holders that are noted while the engine waits, and what is left to the long way.
struct HoldingAtOnceTests {
    private let engine = ProcessIdentity(processID: 4711, startTime: 1, bootID: ProcessIdentity.currentBootID)

    /// Runs `body` with a volume that one container holds; holders are kept in memory, as on any host.
    private func withHeldVolume(_ body: (ManagerFixture, RecordingDriver) async throws -> Void) async throws {
        let driver = RecordingDriver()
        try await withTemporaryDirectory(in: "/dev/shm") { root in
            let fixture = await ManagerFixture(root: root, drivers: [driver])
            try await fixture.volumes.create("db", options: nil)
            _ = try await fixture.volumes.mount("db", id: "first", for: engine)
            try await body(fixture, driver)
        }
    }

    private func holders(_ fixture: ManagerFixture) throws -> VolumeHolders {
        try fixture.volumes.describe("db").holders
    }

    /// Mounts at once; as long as other tests mount and unmount something, it is made sure anew that the volume is mounted.
    private func mountAtOnce(_ id: String, _ fixture: ManagerFixture, _ driver: RecordingDriver) async throws
        -> FilePath?
    {
        for _ in 0..<100 {
            let calls = driver.calls
            if let path = fixture.volumes.mountAtOnce("db", id: id, for: engine) {
                #expect(driver.calls == calls)
                return path
            }
            _ = try await fixture.volumes.mount("db", id: "meanwhile", for: engine)
            try await fixture.volumes.unmount("db", id: "meanwhile")
        }
        return nil
    }

    private func expectSameAfterRestart(_ fixture: ManagerFixture) async throws {
        let restarted = try holders(await fixture.restarted())
        #expect(try restarted == holders(fixture))
    }

    @Test func oneMoreHolderAsksNothingOfTheDriver() async throws {
        try await withHeldVolume { fixture, driver in
            let path = try await mountAtOnce("second", fixture, driver)
            #expect(path == fixture.pool.appending("volumes/db/data"))
            #expect(try holders(fixture).byID.keys.sorted() == ["first", "second"])
            try await expectSameAfterRestart(fixture)
            #expect(fixture.volumes.unmountAtOnce("db", id: "second"))
            #expect(try holders(fixture).byID.keys.sorted() == ["first"])
            try await expectSameAfterRestart(fixture)
        }
    }

    @Test func whatMayTakeLongerIsLeftToTheLongWay() async throws {
        try await withHeldVolume { fixture, _ in
            let volumes = fixture.volumes
            // As after a crash of the engine, or 'docker cp'.
            #expect(volumes.mountAtOnce("db", id: "first", for: engine) == nil)
            #expect(volumes.mountAtOnce("db", id: "", for: engine) == nil)
            #expect(volumes.mountAtOnce("none", id: "c", for: engine) == nil)
            #expect(volumes.mountAtOnce("../x", id: "c", for: engine) == nil)
            // The last one, after which something is to be unmounted; and one that is not there.
            #expect(!volumes.unmountAtOnce("db", id: "first"))
            #expect(!volumes.unmountAtOnce("db", id: "second"))
            #expect(!volumes.unmountAtOnce("none", id: "first"))
            try await volumes.create("idle", options: nil)
            #expect(volumes.mountAtOnce("idle", id: "c", for: engine) == nil)
            // After a restart nobody has seen it mounted.
            #expect(await fixture.restarted().volumes.mountAtOnce("db", id: "c", for: engine) == nil)
            try await Task.sleep(for: .seconds(1))
            #expect(volumes.mountAtOnce("db", id: "c", for: engine) == nil)
        }
    }

    @Test func aVolumeThatIsBeingWorkedOnIsLeftToTheLongWay() async throws {
        try await withHeldVolume { fixture, driver in
            let gate = driver.hold(.mount("db"))
            let mount = Task { try await fixture.volumes.mount("db", id: "second", for: engine) }
            while driver.calls.count(where: { $0 == .mount("db") }) < 2 { await Task.yield() }
            #expect(fixture.volumes.mountAtOnce("db", id: "third", for: engine) == nil)
            #expect(!fixture.volumes.unmountAtOnce("db", id: "first"))
            gate.finish()
            _ = try await mount.value
            #expect(try await mountAtOnce("third", fixture, driver) != nil)
        }
    }

    /// Nothing on a disk is waited for by the thread that serves the engine.
    @Test func holdersOnADiskAreLeftToTheLongWay() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            _ = try await fixture.volumes.mount("db", id: "first", for: engine)
            #expect(fixture.volumes.mountAtOnce("db", id: "second", for: engine) == nil)
        }
    }

    @Test func aRuntimeDirectoryThatIsEmptiedIsWrittenAnew() async throws {
        try await withHeldVolume { fixture, driver in
            try Files.unlink(fixture.runtime.appending("holders/db.json"))
            #expect(fixture.volumes.mountAtOnce("db", id: "second", for: engine) == nil)
            _ = try await fixture.volumes.mount("db", id: "second", for: engine)
            #expect(try await mountAtOnce("third", fixture, driver) != nil)
            try await expectSameAfterRestart(fixture)
        }
    }

    @Test func aFileThatHasGrownIsWrittenAnew() async throws {
        try await withHeldVolume { fixture, _ in
            let file = fixture.runtime.appending("holders/db.json")
            var largest = 0
            for _ in 0..<2000 {
                if fixture.volumes.mountAtOnce("db", id: "second", for: engine) == nil {
                    _ = try await fixture.volumes.mount("db", id: "second", for: engine)
                }
                if !fixture.volumes.unmountAtOnce("db", id: "second") {
                    try await fixture.volumes.unmount("db", id: "second")
                }
                largest = max(largest, try file.text.utf8.count)
            }
            #expect(largest < 32 << 10)
            try await expectSameAfterRestart(fixture)
        }
    }
}
