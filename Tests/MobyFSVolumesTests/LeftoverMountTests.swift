// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// What a crash leaves mounted.
@Suite(.enabled(if: Machine.isRoot, "mounting needs root"))
struct LeftoverMountTests {
    private func mount(_ name: String, in fixture: ManagerFixture) throws -> FilePath {
        let path = fixture.runtime.appending("mounts").appending(name)
        try Mountpoint(path).prepare()
        try Mounts.mount(type: "tmpfs", source: "tmpfs", at: path)
        return path
    }

    @Test(arguments: ["ghost", ".odd", "ghost with spaces"])
    func ofNoVolumeIsUnmountedAtTheNextStart(name: String) async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            let path = try mount(name, in: fixture)
            _ = await fixture.restarted()
            let mounted = try Mounts.entry(at: path)
            #expect(mounted == nil)
            #expect(Directories.isDirectory(path) == nil)
        }
    }

    @Test func ofAVolumeThatNobodyHoldsIsLeftToItsDriver() async throws {
        let driver = RecordingDriver()
        try await withVolumeManager(drivers: [driver]) { fixture in
            try await fixture.volumes.create("db", options: [:])
            try await fixture.volumes.create("held", options: [:])
            _ = try await fixture.volumes.mount("held", id: "i", for: nil)
            let paths = try ["db", "held"].map { try mount($0, in: fixture) }
            // What a failed test leaves.
            defer { for path in paths { try? Mounts.unmount(path) } }
            let volumes = await fixture.restarted().volumes
            await volumes.unmountIdle()
            #expect(driver.calls.filter { [.unmount("db"), .unmount("held")].contains($0) } == [.unmount("db")])
        }
    }

    /// A pool that is looked at anew while a volume of it is being made.
    @Test func ofAVolumeThatIsBeingCreatedStays() async throws {
        let driver = RecordingDriver()
        let gate = driver.hold(.create("db"))
        try await withVolumeManager(drivers: [driver]) { fixture in
            let path = try mount("db", in: fixture)
            async let created: Void = fixture.volumes.create("db", options: [:])
            try await eventually("it is being created") { driver.calls.contains(.create("db")) }
            fixture.volumes.forgetPlace()
            await fixture.volumes.checkPool()
            let mounted = try Mounts.entry(at: path)
            gate.finish()
            try await created
            #expect(mounted != nil)
            try Mounts.unmount(path)
        }
    }

    @Test func ofVolumesThatCannotBeReadIsNotTouched() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: [:])
            try fixture.pool.appending("volumes/db/record.json").write("{")
            let path = try mount("db", in: fixture)
            _ = await fixture.restarted()
            let mounted = try Mounts.entry(at: path)
            #expect(mounted != nil)
            try Mounts.unmount(path)
        }
    }
}
