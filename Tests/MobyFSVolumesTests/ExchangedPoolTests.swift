// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// Another file system is mounted at the data folder while calls are at work.
@Suite(.enabled(if: Machine.isRoot, "mounting needs root"), .timeLimit(.minutes(1)))
struct ExchangedPoolTests {
    /// Runs `body` with a manager and another pool, which has a volume of the same name.
    private func withTwoPools(
        _ body: (ManagerFixture, RecordingDriver, _ exchange: () async throws -> Void, _ other: FilePath) async throws
            ->
            Void
    ) async throws {
        let driver = RecordingDriver()
        try await withTemporaryDirectory { root in
            let other = root.appending("other")
            try Directories.create(other, mode: 0o755)
            try await ManagerFixture(root: other, drivers: [driver]).volumes.create("db", options: nil)
            let fixture = await ManagerFixture(root: root, drivers: [driver])
            try await fixture.volumes.create("db", options: nil)
            func shell(_ script: String) async throws {
                try await HelperProgram("sh", package: "dash").run(["-ec", script], until: .now + .seconds(90))
            }
            try await body(
                fixture, driver, { try await shell("mount --bind \(other)/pool \(fixture.pool)") },
                other.appending("pool/volumes"))
            try await shell("umount \(fixture.pool)")
        }
    }

    @Test func aVolumeOfAnotherPoolIsNotRemovedInItsPlace() async throws {
        try await withTwoPools { fixture, driver, exchange, other in
            let gate = driver.hold(.remove("db"))
            let removal = Task { try await fixture.volumes.remove("db") }
            while !driver.calls.contains(.remove("db")) { await Task.yield() }
            try await exchange()
            gate.finish()
            let error = await #expect(throws: VolumeError.self) { try await removal.value }
            #expect(error?.message.contains("another file system was mounted") == true)
            #expect(try Directories.entries(of: other) == ["db"])
        }
    }

    /// Its file system belongs at the data folder, with all that is in there.
    @Test(arguments: [false, true])
    func nothingIsDoneWhereSomethingIsMountedOverTheVolumesAlone(before: Bool) async throws {
        try await withTemporaryDirectory { root in
            var fixture = await ManagerFixture(root: root, drivers: [RecordingDriver()])
            try await fixture.volumes.create("db", options: nil)
            let folder = fixture.pool.appending("volumes")
            try Mounts.mount(type: "tmpfs", source: "tmpfs", at: folder)
            if before { fixture = await ManagerFixture(root: root, drivers: [RecordingDriver()]) }
            for name in ["db", "new"] {
                let error = await #expect(throws: VolumeError.self) {
                    name == "db"
                        ? try await fixture.volumes.remove(name) : try await fixture.volumes.create(name, options: nil)
                }
                #expect(error?.message.contains("another file system is mounted at '\(folder)'") == true)
            }
            try Mounts.unmount(folder)
            try await fixture.volumes.create("new", options: nil)
            #expect(try fixture.volumes.describeAll().map(\.name.description) == ["db", "new"])
        }
    }

    @Test func aMountpointAmongTheVolumesStaysUntilItsDiskIsThere() async throws {
        try await withTemporaryDirectory { root in
            let (disk, folder) = (root.appending("disk"), root.appending("pool/volumes/db"))
            let first = await ManagerFixture(root: root, drivers: [RecordingDriver()])
            try await first.volumes.create("db", options: ["colour": "red"])
            try Files.rename(folder, to: disk)
            try Directories.create(folder, mode: 0o711)
            let fixture = await ManagerFixture(root: root, drivers: [RecordingDriver()])
            #expect(try fixture.volumes.describe("db").trouble?.contains("mount the file system") == true)
            await #expect(throws: VolumeError.self) { try await fixture.volumes.create("db", options: nil) }
            try Mounts.bind(disk, at: folder)
            defer { try? Mounts.unmount(folder) }
            for finding in try await fixture.volumes.findings() { try await fixture.volumes.repair(finding.id) }
            #expect(try fixture.volumes.describe("db").trouble == nil)
            #expect(try fixture.volumes.describe("db").volume?.options["colour"] == "red")
        }
    }

    @Test func aVolumeIsNotAcknowledgedThatIsInAnotherPool() async throws {
        try await withTwoPools { fixture, driver, exchange, other in
            let gate = driver.hold(.create("www"))
            let creation = Task { try await fixture.volumes.create("www", options: nil) }
            while !driver.calls.contains(.create("www")) { await Task.yield() }
            try await exchange()
            gate.finish()
            await #expect(throws: VolumeError.self) { try await creation.value }
            #expect(try Directories.entries(of: other) == ["db"])
            // It is looked at anew.
            await fixture.volumes.checkPool()
            #expect(try fixture.volumes.describeAll().map(\.name.description) == ["db"])
        }
    }
}
