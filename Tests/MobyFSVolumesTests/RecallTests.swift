// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@testable import MobyFSVolumes

/// A start without the disk that the pool is on.
@Suite(.enabled(if: Machine.isRoot, "mounting needs root"))
struct RecallTests {
    private func manager(in root: FilePath) -> VolumeManager {
        VolumeManager(
            root: root.appending("disk/pool"), runtimeDirectory: root.appending("run"), drivers: [RecordingDriver()],
            mountUnits: MountUnits(in: [root.appending("units")]), memory: VolumeMemory(in: root.appending("cache")),
            logger: .silent)
    }

    private func withDisk(_ body: (_ root: FilePath, _ disk: FilePath) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            let disk = root.appending("disk")
            try Directories.create(disk, mode: 0o711)
            try Directories.create(root.appending("units"), mode: 0o711)
            let unit = disk.string.dropFirst().replacing("-", with: "\\x2d").replacing("/", with: "-")
            try root.appending("units/\(unit).mount").write("[Mount]\nWhat=/dev/somewhere\nWhere=\(disk)\n")
            try Mounts.mount(type: "tmpfs", source: "tmpfs", at: disk)
            do {
                try await body(root, disk)
            } catch {
                try? Mounts.unmount(disk, detaching: true)
                throw error
            }
            try? Mounts.unmount(disk, detaching: true)
        }
    }

    @Test func answersForTheVolumesThatThereWere() async throws {
        try await withDisk { root, disk in
            let before = manager(in: root)
            await before.load()
            try await before.create("db", options: [:])
            try await before.create("gone", options: [:])
            await before.remember()
            try await before.remove("gone")
            await before.remember()
            // Another disk would be as good for this as the same: what matters is that it is away, and comes back.
            let elsewhere = root.appending("elsewhere")
            try Directories.create(elsewhere, mode: 0o711)
            try Mounts.bind(disk, at: elsewhere)
            defer { try? Mounts.unmount(elsewhere, detaching: true) }
            try Mounts.unmount(disk, detaching: true)

            let volumes = manager(in: root)
            await volumes.recall()
            await volumes.loadIfNeeded()
            let description = try volumes.describe("db")
            #expect(description.trouble?.contains("not mounted at '\(disk)'") == true)
            #expect(try volumes.describeAll().map(\.name.description) == ["db"])
            #expect(volumes.version(of: nil) != nil && volumes.version(of: "db") != nil)
            for call in ["mount", "remove", "create"] {
                let error = await #expect(throws: VolumeError.self) {
                    switch call {
                    case "mount": _ = try await volumes.mount("db", id: "i", for: nil)
                    case "remove": try await volumes.remove("db")
                    default: try await volumes.create("db", options: [:])
                    }
                }
                #expect("\(error!)".contains("not mounted at '\(disk)'"), "\(call)")
            }
            // Nothing is known of others.
            let error = #expect(throws: VolumeError.self) { try volumes.describe("other") }
            #expect(error?.code == .unavailable)
            await volumes.remember()
            await volumes.forgetTakenAway()
            #expect(try volumes.describeAll().count == 1)

            try Mounts.bind(elsewhere, at: disk)
            _ = try await volumes.mount("db", id: "i", for: nil)
            #expect(try volumes.describe("db").trouble == nil)
            try await volumes.unmount("db", id: "i")
        }
    }

    @Test func isOfOnePoolAlone() async throws {
        try await withTemporaryDirectory { root in
            let memory = VolumeMemory(in: root.appending("cache"))
            #expect(try memory.names(of: "/srv/pool") == nil)
            try memory.save([try VolumeName("a.b"), try VolumeName("c")], of: "/srv/pool")
            #expect(try memory.names(of: "/srv/pool") == [try VolumeName("a.b"), try VolumeName("c")])
            #expect(try memory.names(of: "/srv/other") == nil)
        }
    }
}
