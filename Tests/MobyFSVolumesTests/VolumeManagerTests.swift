// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@testable import MobyFSVolumes

@Suite struct VolumeManagerTests {
    @Test func knowsAfterARestartWhatItKnewBefore() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: ["colour": "red"])
            let before = try fixture.volumes.describe("db")
            let after = try await fixture.restarted().volumes.describe("db")
            #expect(after.volume?.options == before.volume?.options)
            #expect(after.volume?.state == ["made": "yes"])
            #expect(after.mountpoint == before.mountpoint)
            // A record keeps whole seconds.
            let (first, second) = (try #require(before.volume?.createdAt), try #require(after.volume?.createdAt))
            #expect(abs(second.timeIntervalSince(first)) < 1)
        }
    }

    @Test func createsTheSameVolumeTwiceAsOne() async throws {
        let driver = RecordingDriver()
        try await withVolumeManager(drivers: [driver]) { fixture in
            try await fixture.volumes.create("db", options: ["mode": "700"])
            try await fixture.volumes.create("db", options: ["mode": "0700"])
            // `docker run -v` asks for nothing, and is content.
            try await fixture.volumes.create("db", options: nil)
            #expect(driver.calls == [.create("db")])
        }
    }

    @Test func refusesOtherOptionsShowingTheDifference() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: ["mode": "700"])
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("db", options: ["mode": "755"])
            }
            #expect(error?.code == .alreadyExists)
            #expect(error?.message.contains("mode is '0700', asked for '0755'") == true)
            await #expect(throws: VolumeError.self) { try await fixture.volumes.create("db", options: [:]) }
        }
    }

    @Test func leavesNothingOfAVolumeThatCannotBeCreated() async throws {
        let driver = RecordingDriver(failing: [.create("db")])
        try await withVolumeManager(drivers: [driver]) { fixture in
            await #expect(throws: VolumeError.self) { try await fixture.volumes.create("db", options: nil) }
            let left = try Directories.entries(of: fixture.pool.appending("volumes"))
            #expect(left.isEmpty)
            #expect(driver.calls == [.create("db"), .remove("db")])
            #expect(fixture.volumes.counts.volumes == 0)
        }
    }

    @Test func removingWhatIsNotThereIsNoError() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.remove("never")
        }
    }

    @Test func refusesToRemoveAProtectedVolume() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: ["protected": "true"])
            let error = await #expect(throws: VolumeError.self) { try await fixture.volumes.remove("db") }
            #expect(error?.code == .protected)
            _ = try fixture.volumes.describe("db")
        }
    }

    /// Work on one volume waits for nothing but work on the same one.
    @Test func aSlowVolumeHoldsUpNoOther() async throws {
        let driver = RecordingDriver()
        let gate = driver.hold(.create("slow"))
        try await withVolumeManager(drivers: [driver]) { fixture in
            let slow = Task { try await fixture.volumes.create("slow", options: nil) }
            while driver.calls.isEmpty { await Task.yield() }
            try await fixture.volumes.create("quick", options: nil)
            #expect(try fixture.volumes.describeAll().map(\.name.description) == ["quick"])
            gate.finish()
            try await slow.value
            #expect(fixture.volumes.counts.volumes == 2)
        }
    }

    @Test func manyCreatesOfOneNameMakeOneVolume() async throws {
        let driver = RecordingDriver()
        try await withVolumeManager(drivers: [driver]) { fixture in
            try await withThrowingTaskGroup { group in
                for _ in 0..<50 { group.addTask { try await fixture.volumes.create("db", options: [:]) } }
                try await group.waitForAll()
            }
            #expect(driver.calls == [.create("db")])
        }
    }

    @Test func saysOnlyOfWhatIsCertainThatItIsNotThere() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            #expect(throws: VolumeError.self) { try fixture.volumes.describe("gone") }
            try fixture.pool.appending("blocked").write("not a directory")
            // A pool that cannot be read: nothing is certain.
            let blocked = VolumeManager(
                root: fixture.pool.appending("blocked"), runtimeDirectory: fixture.runtime, drivers: fixture.drivers,
                logger: .silent)
            await blocked.load()
            let error = #expect(throws: VolumeError.self) { try blocked.describe("gone") }
            #expect(error?.code == .unavailable)
            let listing = #expect(throws: VolumeError.self) { try blocked.describeAll() }
            #expect(listing?.code == .unavailable)
        }
    }

    /// Or engines would be told what was so before.
    @Test func countsAllThatChangesWhatIsToBeSaid() async throws {
        let driver = RecordingDriver(failing: [.mount("db")])
        try await withVolumeManager(drivers: [driver]) { fixture in
            let volumes = fixture.volumes
            try await volumes.create("other", options: nil)
            #expect(volumes.version(of: "db") == nil)
            var (seen, all): (Set<UInt64>, Set<UInt64>) = ([], [])
            func expectAnother(_ what: String) throws {
                #expect(seen.insert(try #require(volumes.version(of: "db"))).inserted, "\(what)")
                #expect(all.insert(try #require(volumes.version(of: nil))).inserted, "\(what)")
            }
            try await volumes.create("db", options: nil)
            try expectAnother("created")
            let other = volumes.version(of: "other")
            await #expect(throws: (any Error).self) { try await volumes.mount("db", id: "c", for: nil) }
            try expectAnother("a Mount failed")
            driver.succeed()
            _ = try await volumes.mount("db", id: "c", for: nil)
            try expectAnother("mounted")
            try await volumes.unmount("db", id: "c")
            try expectAnother("unmounted")
            try await volumes.change("db", ["protected": "true"])
            try expectAnother("changed")
            #expect(volumes.version(of: "other") == other)
            volumes.noteSickness("the disk is on fire")
            try expectAnother("sick")
            #expect(volumes.version(of: "other") != other)
            volumes.noteSickness(nil)
            try expectAnother("well")
            try await volumes.change("db", ["protected": "false"])
            try expectAnother("changed again")
            try await volumes.remove("db")
            #expect(volumes.version(of: "db") == nil)
            #expect(all.insert(try #require(volumes.version(of: nil))).inserted)
            try await volumes.create("db", options: nil)
            try expectAnother("created again")
        }
    }
}
