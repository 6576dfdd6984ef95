// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

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
            let path = try await restarted.volumes.mount("db", id: "c", for: nil)
            #expect(try path.appending("file").text == "precious")
            try await restarted.volumes.unmount("db", id: "c")
        }
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
