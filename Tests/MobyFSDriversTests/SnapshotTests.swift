// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@testable import MobyFSVolumes

/// Snapshots as the manager keeps them, of volumes in a plain directory.
@Suite struct SnapshotTests {
    private let drivers: [any VolumeDriver] = [DirectoryDriver(reserved: []), TmpfsDriver()]

    private func data(_ name: String, in fixture: ManagerFixture) -> FilePath {
        fixture.pool.appending("volumes").appending(name).appending("data")
    }

    @Test func unnamedOnesOfOneSecondAreNumbered() async throws {
        try await withVolumeManager(drivers: drivers) { fixture in
            try await fixture.volumes.create("db", options: nil)
            var names: Set<String> = []
            for _ in 0..<4 { names.insert(try await fixture.volumes.snapshot("db").description) }
            #expect(names.count == 4)
            _ = try await fixture.volumes.snapshot("db", as: "mine")
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.snapshot("db", as: "mine")
            }
            #expect(error?.code == .alreadyExists)
        }
    }

    @Test func areNotScheduledWhereThereCanBeNone() async throws {
        try await withVolumeManager(drivers: drivers) { fixture in
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("memory", options: ["type": "tmpfs", "snapshot-schedule": "daily"])
            }
            #expect(error?.message.contains("snapshot-schedule=") == true, "\(String(describing: error))")
            let place = fixture.root.appending("outside").string
            try await fixture.volumes.create("outside", options: ["mountpoint": place])
            await #expect(throws: VolumeError.self) {
                try await fixture.volumes.change("outside", ["snapshot-schedule": "daily"])
            }
            #expect(try fixture.volumes.describe("outside").volume?.options["snapshot-schedule"] == nil)
        }
    }

    @Test(arguments: ["data", "snapshots"])
    func doNotFollowALinkInTheirVolume(name: String) async throws {
        try await withVolumeManager(drivers: drivers) { fixture in
            try await fixture.volumes.create("db", options: nil)
            let outside = fixture.root.appending("outside")
            try Directories.create(outside, mode: 0o755)
            try outside.appending("secret").write("of the host")
            let folder = fixture.pool.appending("volumes/db").appending(name)
            if folder.exists { try Files.rename(folder, to: fixture.root.appending("away")) }
            #expect(symlink(outside.string, folder.string) == 0)
            let error = await #expect(throws: VolumeError.self) { try await fixture.volumes.snapshot("db", as: "s") }
            #expect(error?.message.contains("symbolic link") == true, "\(error?.message ?? "")")
            #expect(try Directories.entries(of: outside) == ["secret"])
            #expect(try await fixture.volumes.snapshots(of: "db").isEmpty)
        }
    }

    /// Between two renames, on file systems that cannot exchange two names, a crash leaves a volume without its data.
    @Test func contentThatACrashLeftOutOfPlaceIsPutBack() async throws {
        try await withVolumeManager(drivers: drivers) { fixture in
            try await fixture.volumes.create("db", options: nil)
            try data("db", in: fixture).appending("file").write("precious")
            let staging = fixture.pool.appending("volumes/db/snapshots/.new-1")
            try Directories.create(staging.appending("data"), mode: 0o755)
            try Files.rename(data("db", in: fixture), to: staging.appending("data.old"))

            let restarted = await fixture.restarted()
            await restarted.volumes.discardLeftovers()
            let path = try await restarted.volumes.mount("db", id: "c", for: nil)
            #expect(try path.appending("file").text == "precious")
            try await restarted.volumes.unmount("db", id: "c")
        }
    }

    /// With a record, it was cut off when it was whole but for its name, or by a restore.
    @Test(arguments: [false, true])
    func whatACutOffOneHasLeftGoesAfterTheStart(hasRecord: Bool) async throws {
        try await withVolumeManager(drivers: drivers) { first in
            for name in ["db", "other"] { try await first.volumes.create(name, options: nil) }
            try data("db", in: first).appending("file").write("precious")
            _ = try await first.volumes.snapshot("db", as: "whole")
            for name in ["db", "other"] { try leave("snapshots/.new-1", in: name, of: first, hasRecord: hasRecord) }

            let (fixture, volumes) = (await first.restarted(), first.pool.appending("volumes"))
            await fixture.volumes.discardLeftovers()
            #expect(try Directories.entries(of: volumes).sorted() == ["db", "other"])
            #expect(try Directories.entries(of: volumes.appending("db/snapshots")) == ["whole"])
            #expect(!volumes.appending("other/snapshots").exists)
            #expect(try data("db", in: fixture).appending("file").text == "precious")
            #expect(try await fixture.volumes.snapshots(of: "db").count == 1)

            // Not all volumes are looked at each time.
            try leave("snapshots/.new-2", in: "db", of: fixture, hasRecord: hasRecord)
            await fixture.volumes.discardLeftovers()
            #expect(volumes.appending("db/snapshots/.new-2").exists)
        }
    }

    /// It is perhaps a snapshot that is being made.
    @Test func whatIsStagedInAVolumeThatSomebodyWorksOnIsLeftAlone() async throws {
        try await withVolumeManager(drivers: drivers) { first in
            try await first.volumes.create("db", options: nil)
            try leave("snapshots/.new-1", in: "db", of: first, hasRecord: false)
            let fixture = await first.restarted()
            let name = try VolumeName("db")
            let staged = fixture.pool.appending("volumes/db/snapshots/.new-1/data/file")
            try #require(fixture.volumes.locks.tryLock(name))
            await fixture.volumes.discardLeftovers()
            #expect(staged.exists)
            fixture.volumes.locks.unlock(name)
            await fixture.volumes.discardLeftovers()
            #expect(!staged.exists)
        }
    }

    /// As a crash leaves it.
    private func leave(_ staging: String, in name: String, of fixture: ManagerFixture, hasRecord: Bool) throws {
        let volume = fixture.pool.appending("volumes").appending(name)
        try Directories.create(volume.appending(staging).appending("data"), mode: 0o755)
        try volume.appending(staging).appending("data/file").write("half")
        guard hasRecord else { return }
        try volume.appending(staging).appending("record.json").write(volume.appending("record.json").text)
    }

    @Test(.enabled(if: geteuid() == 0, "needs root"))
    func pruneLeavesWhatIsInMemoryAlone() async throws {
        try await withVolumeManager(drivers: drivers) { fixture in
            try await fixture.volumes.create("memory", options: ["type": "tmpfs", "device": "tmpfs"])
            try await fixture.volumes.create("disk", options: nil)
            let path = try await fixture.volumes.mount("memory", id: "c", for: nil)
            try path.appending("file").write("precious")
            try await fixture.volumes.unmount("memory", id: "c")
            #expect(try await fixture.volumes.prune(isTrial: false).pruned.map(\.description) == ["disk"])
            #expect(try path.appending("file").text == "precious")
            try await fixture.volumes.remove("memory")
        }
    }
}
