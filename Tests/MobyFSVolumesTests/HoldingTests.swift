// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

@Suite struct HoldingTests {
    /// This process stands for an engine that runs; one that has never been, for an engine that is gone.
    private let engine = try? ProcessIdentity(processID: getpid())
    private let goneEngine = ProcessIdentity(processID: getpid(), startTime: 1, bootID: ProcessIdentity.currentBootID)

    @Test func onlyTheLastUnmountReachesTheDriver() async throws {
        let driver = RecordingDriver()
        try await withVolumeManager(drivers: [driver]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            let first = try await fixture.volumes.mount("db", id: "c1", for: engine)
            let second = try await fixture.volumes.mount("db", id: "c2", for: engine)
            #expect(first == second)
            try await fixture.volumes.unmount("db", id: "c1")
            #expect(!driver.calls.contains(.unmount("db")))
            try await fixture.volumes.unmount("db", id: "c2")
            #expect(driver.calls.last == .unmount("db"))
        }
    }

    @Test func nobodyMountsWhatIsBeingExported() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            let process = try #require(engine)
            _ = try await fixture.volumes.hold("db", id: "\(Holder.ownPrefix)1", alone: true, for: process)
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.mount("db", id: "container", for: engine)
            }
            #expect(error?.message.contains("is being exported by process \(getpid())") == true)
            let removal = await #expect(throws: VolumeError.self) { try await fixture.volumes.remove("db") }
            #expect(removal?.message.contains("wait until that is done") == true)

            try await fixture.volumes.unmount("db", id: "\(Holder.ownPrefix)1")
            _ = try await fixture.volumes.mount("db", id: "container", for: engine)
            await #expect(throws: VolumeError.self) {
                try await fixture.volumes.hold("db", id: "\(Holder.ownPrefix)2", alone: true, for: process)
            }
        }
    }

    @Test func anExportThatWasKilledKeepsNobodyOut() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            _ = try await fixture.volumes.hold("db", id: "\(Holder.ownPrefix)1", alone: true, for: goneEngine)
            _ = try await fixture.volumes.mount("db", id: "container", for: engine)
        }
    }

    @Test func unmountOfAnythingUnknownSucceeds() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            try await fixture.volumes.unmount("db", id: "never")
            try await fixture.volumes.unmount("never", id: "never")
            try await fixture.volumes.unmount("../x", id: "never")
        }
    }

    @Test func refusesToRemoveAHeldVolumeAndSaysWhoHoldsIt() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            _ = try await fixture.volumes.mount("db", id: "container", for: engine)
            let error = await #expect(throws: VolumeError.self) { try await fixture.volumes.remove("db") }
            #expect(error?.code == .inUse)
            #expect(error?.message.contains("process ID \(getpid())") == true)
            // It is the same after a restart of the daemon.
            let restarted = await fixture.restarted()
            await #expect(throws: VolumeError.self) { try await restarted.volumes.remove("db") }
            try await restarted.volumes.unmount("db", id: "container")
            try await restarted.volumes.remove("db")
            #expect(try Directories.entries(of: fixture.runtime.appending("holders")).isEmpty)
        }
    }

    @Test func dropsHoldersOfAnEngineThatIsGoneWhenNobodyHasTheVolumeMounted() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            _ = try await fixture.volumes.mount("db", id: "old", for: goneEngine)
            _ = try await fixture.volumes.mount("db", id: "new", for: engine)
            await fixture.volumes.releaseAbandoned()
            #expect(try fixture.volumes.describe("db").mountCount == 1)
        }
    }

    @Test(.enabled(if: Machine.isRoot, "mounting needs root"))
    func keepsHoldersOfAnEngineThatIsGoneWhileAContainerLivesOn() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            let data = try await fixture.volumes.mount("db", id: "old", for: goneEngine)
            let place = fixture.root.appending("container")
            try Directories.create(data, mode: 0o755)
            try Directories.create(place, mode: 0o755)
            try #require(mount(data.string, place.string, nil, UInt(MS_BIND), nil) == 0)
            await fixture.volumes.releaseAbandoned()
            #expect(try fixture.volumes.describe("db").mountCount == 1)
            let error = await #expect(throws: VolumeError.self) { try await fixture.volumes.remove("db") }
            #expect(error?.message.contains("mounted at '\(place)'") == true)

            umount2(place.string, CInt(MNT_DETACH))
            // A mount namespace that another test has made meanwhile may have it for a while.
            try await eventually("nobody has it") {
                await fixture.volumes.releaseAbandoned()
                return try fixture.volumes.describe("db").mountCount == 0
            }
        }
    }

    /// Somebody has deleted its folder, and nobody is left who could say that it is not used any more.
    @Test(.enabled(if: Machine.isRoot, "mounting needs root"))
    func forgetsAVolumeThatIsGoneWhenNobodyHasItMounted() async throws {
        // Mounts of any pool's volume of that name count, so no other test has it.
        let name = "gone-\(UInt32.random(in: 0 ... .max))"
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create(name, options: nil)
            let data = try await fixture.volumes.mount(name, id: "old", for: goneEngine)
            try Directories.create(data, mode: 0o755)
            let place = fixture.root.appending("container")
            try Directories.create(place, mode: 0o755)
            try #require(mount(data.string, place.string, nil, UInt(MS_BIND), nil) == 0)
            try TreeRemover.remove(fixture.pool.appending("volumes/\(name)"))

            let restarted = await fixture.restarted()
            await restarted.volumes.releaseAbandoned()
            #expect(try restarted.volumes.describe(name).mountCount == 1)

            umount2(place.string, CInt(MNT_DETACH))
            await restarted.volumes.releaseAbandoned()
            #expect(throws: VolumeError.self) { try restarted.volumes.describe(name) }
            #expect(try Directories.entries(of: fixture.runtime.appending("holders")).isEmpty)
            try await restarted.volumes.create(name, options: nil)
        }
    }

    /// Under live-restore a container outlives its engine, and the next engine's `docker cp` mounts and unmounts
    /// with the container's own ID.
    @Test(.enabled(if: Machine.isRoot, "mounting needs root"))
    func copyingFromAContainerThatOutlivedItsEngineDoesNotDropItsMount() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            let data = try await fixture.volumes.mount("db", id: "c", for: goneEngine)
            let place = fixture.root.appending("container")
            try Directories.create(data, mode: 0o755)
            try Directories.create(place, mode: 0o755)
            try #require(mount(data.string, place.string, nil, UInt(MS_BIND), nil) == 0)
            for _ in 0..<2 {
                _ = try await fixture.volumes.mount("db", id: "c", for: engine)
                try await fixture.volumes.unmount("db", id: "c")
                #expect(try fixture.volumes.describe("db").mountCount == 1)
            }
            umount2(place.string, CInt(MNT_DETACH))
            // A mount namespace that another test has made meanwhile may have it for a while.
            try await eventually("nobody has it") {
                _ = try await fixture.volumes.mount("db", id: "c", for: engine)
                try await fixture.volumes.unmount("db", id: "c")
                return try fixture.volumes.describe("db").mountCount == 0
            }
        }
    }

    /// The kernel's word counts even where all notes are lost.
    @Test(.enabled(if: Machine.isRoot, "mounting needs root"))
    func refusesToRemoveWhatIsMountedThoughNobodyIsNoted() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            let data = try #require(try fixture.volumes.describe("db").mountpoint)
            let place = fixture.root.appending("container")
            try Directories.create(data, mode: 0o755)
            try Directories.create(place, mode: 0o755)
            try #require(mount(data.string, place.string, nil, UInt(MS_BIND), nil) == 0)
            defer { umount2(place.string, CInt(MNT_DETACH)) }
            let error = await #expect(throws: VolumeError.self) { try await fixture.volumes.remove("db") }
            #expect(error?.code == .inUse)
        }
    }

    @Test(arguments: ["", String(repeating: "x", count: 257)])
    func refusesMountIDsThatNoEngineSends(id: String) async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.mount("db", id: id, for: engine)
            }
            #expect(error?.code == .invalidArgument)
        }
    }

    /// The connection outlives the process that made it, in a child.
    @Test func holdersOfAProcessThatEndedBeforeItWasLookedAtAreDropped() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            _ = try await fixture.volumes.mount("db", id: "c", for: .gone(processID: 1))
            await fixture.volumes.releaseAbandoned()
            #expect(try fixture.volumes.describe("db").mountCount == 0)
        }
    }

    @Test func aMountFailureIsToldUntilOneSucceeds() async throws {
        let driver = RecordingDriver(failing: [.mount("db")])
        try await withVolumeManager(drivers: [driver]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            await #expect(throws: VolumeError.self) { try await fixture.volumes.mount("db", id: "c", for: engine) }
            #expect(try fixture.volumes.describe("db").trouble?.contains("fails as the test wants it") == true)
            driver.succeed()
            _ = try await fixture.volumes.mount("db", id: "c", for: engine)
            #expect(try fixture.volumes.describe("db").trouble == nil)
        }
    }

    @Test func aFailedMountHoldsNothing() async throws {
        let driver = RecordingDriver(failing: [.mount("db")])
        try await withVolumeManager(drivers: [driver]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            await #expect(throws: VolumeError.self) { try await fixture.volumes.mount("db", id: "c", for: engine) }
            #expect(try fixture.volumes.describe("db").mountCount == 0)
            try await fixture.volumes.remove("db")
        }
    }

    @Test func holdersOfAnEarlierBootAreForgotten() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            _ = try await fixture.volumes.mount("db", id: "c", for: engine)
            let file = fixture.runtime.appending("holders").appending("db.json")
            try file.write(try file.text.replacing(ProcessIdentity.currentBootID, with: "an-earlier-boot"))
            let restarted = await fixture.restarted()
            #expect(try restarted.volumes.describe("db").mountCount == 0)
            #expect(!file.exists)
        }
    }
}
