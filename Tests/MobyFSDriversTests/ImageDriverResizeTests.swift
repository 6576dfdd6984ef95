// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

@Suite(.serialized, .enabled(if: ImageTests.canRun, ImageTests.requirement))
struct ImageDriverResizeTests {
    /// What statvfs(3) tells people who run df(1) in the container.
    private func capacity(_ path: FilePath) throws -> UInt64 {
        var status = statvfs()
        try #require(statvfs(path.string, &status) == 0)
        return UInt64(status.f_blocks) * UInt64(status.f_frsize)
    }

    @Test(
        arguments: [("ext4", "32MiB", "2GiB"), ("xfs", "300MiB", "600MiB"), ("btrfs", "300MiB", "600MiB")],
        ["true", "false"])
    func growsWhileNobodyUsesIt(_ volume: (fs: String, old: String, new: String), sparse: String) async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted(
                "db", fs: volume.fs, with: ["size": volume.old, "sparse": sparse])
            try TestData.write(6, to: path)
            let before = try capacity(path)
            try await fixture.volumes.unmount("db", id: "c")

            let size = try await fixture.volumes.resize("db", to: volume.new)
            #expect(size == ByteSize(volume.new))
            #expect(try Mounts.entry(at: fixture.mountpoint("db")) == nil)
            #expect(try fixture.device("db") == nil)
            #expect(try fixture.image("db").bytes == size.bytes)
            let allocated = try fixture.image("db").allocatedBytes
            #expect(sparse == "true" ? allocated < size.bytes : allocated >= size.bytes)
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            let isWhole = try TestData.isWhole(6, in: path)
            #expect(isWhole)
            #expect(try capacity(path) > before + before / 2)
        }
    }

    private static let growing = ["ext4", "xfs", "btrfs"].filter {
        $0 != "ext4" || Capability.systemResource.isEffective
    }

    /// ext4 needs CAP_SYS_RESOURCE for it, which not every container has.
    @Test(arguments: growing)
    func growsUnderAProcessThatUsesIt(fs: String) async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: fs, with: ["size": "300MiB"])
            try TestData.write(3, to: path)
            let open = try FileDescriptor.open(path.appending("file0"), .readOnly)
            let before = try capacity(path)
            _ = try await fixture.volumes.resize("db", to: "600MiB")
            #expect(try capacity(path) > before + 200 << 20)
            let isWhole = try TestData.isWhole(3, in: path)
            #expect(isWhole)
            try open.close()
            // And is held to the new size.
            let (bytes, reason) = try TestData.fill(path.appending("much"))
            #expect(reason == .noSpace)
            #expect((300 << 20...600 << 20).contains(bytes))
        }
    }

    @Test(
        .enabled(
            if: ImageTests.canRun && !Capability.systemResource.isEffective, "for processes that lack CAP_SYS_RESOURCE")
    )
    func saysWhatExt4NeedsToGrowWhileItIsMounted() async throws {
        try await withImageVolumes { fixture in
            _ = try await fixture.mounted("db", fs: "ext4")
            let error = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.resize("db", to: "64MiB")
            }
            #expect(error?.code == .inUse)
            #expect(error?.message.contains("CAP_SYS_RESOURCE") == true)
            #expect(try fixture.image("db").bytes == 32 << 20)
        }
    }

    @Test(arguments: ["true", "false"])
    func shrinksExt4WhileNobodyUsesIt(sparse: String) async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: "ext4", with: ["size": "64MiB", "sparse": sparse])
            try TestData.write(12, to: path)
            let refusal = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.resize("db", to: "32MiB")
            }
            #expect(refusal?.code == .inUse)
            try await fixture.volumes.unmount("db", id: "c")

            // The data needs more than that.
            let error = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.resize("db", to: "10MiB")
            }
            #expect(error?.code == .invalidArgument)
            #expect(try fixture.image("db").bytes == 64 << 20)

            _ = try await fixture.volumes.resize("db", to: "32MiB")
            #expect(try fixture.image("db").bytes == 32 << 20)
            let allocated = try fixture.image("db").allocatedBytes
            #expect(sparse == "true" ? allocated < 32 << 20 : allocated >= 32 << 20)
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            let isWhole = try TestData.isWhole(12, in: path)
            #expect(isWhole)
            #expect(try capacity(path) < 32 << 20)
            let files = try Directories.entries(of: fixture.pool.appending("volumes/db"))
            #expect(files.sorted() == ["image", "record.json", "record.json.copy"])
            try await fixture.volumes.unmount("db", id: "c")
            try await tool("e2fsck", "-f", "-n", fixture.image("db").path.string)
        }
    }

    /// The tables and the journal of a large file system can need more than a small one has.
    @Test func saysThatExt4NeedsTheSpaceForItself() async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: "ext4", with: ["size": "1GiB"])
            try path.appending("file").write("content")
            try await fixture.volumes.unmount("db", id: "c")
            let error = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.resize("db", to: "20MiB")
            }
            let message = try #require(error?.message)
            #expect(message.contains("own tables") && !message.contains("delete"), "\(message)")
            #expect(message.contains("volume clone -o size=20MiB db OTHER"), "\(message)")
            #expect(try Mounts.entry(at: fixture.mountpoint("db")) == nil)
            // Which is a way out.
            try await fixture.volumes.create("other", options: ["from": "db", "size": "20MiB"])
            let copy = try await fixture.volumes.mount("other", id: "c", for: nil)
            #expect(try copy.appending("file").text == "content")
        }
    }

    @Test(arguments: [true, false])
    func shrinksBtrfs(whileMounted isMounted: Bool) async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: "btrfs", with: ["size": "500MiB"])
            try TestData.write(6, to: path)
            if !isMounted { try await fixture.volumes.unmount("db", id: "c") }
            _ = try await fixture.volumes.resize("db", to: "300MiB")
            #expect(try fixture.image("db").bytes == 300 << 20)
            #expect(try (Mounts.entry(at: fixture.mountpoint("db")) != nil) == isMounted)
            _ = try await fixture.volumes.mount("db", id: "c2", for: nil)
            #expect(try capacity(path) == 300 << 20)
            let isWhole = try TestData.isWhole(6, in: path)
            #expect(isWhole)
            let error = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.resize("db", to: "200MiB")
            }
            #expect(error?.code == .invalidArgument)
            try await tool("btrfs", "scrub", "start", "-B", fixture.mountpoint("db").string)
        }
    }

    @Test func refusesToShrinkXFSAndNamesTheWayOut() async throws {
        try await withImageVolumes { fixture in
            _ = try await fixture.mounted("db", fs: "xfs", with: ["size": "400MiB"])
            let error = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.resize("db", to: "300MiB")
            }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("volume clone -o size=300MiB db OTHER") == true)
            #expect(try fixture.image("db").bytes == 400 << 20)
        }
    }

    @Test(arguments: ["ext4", "xfs", "btrfs"])
    func keepsItsSizeWhereThePoolHasNoRoomToGrow(fs: String) async throws {
        try await withImageVolumes(on: .tmpfs, poolBytes: 640 << 20) { fixture in
            let path = try await fixture.mounted("db", fs: fs, with: ["size": "300MiB", "sparse": "false"])
            try TestData.write(3, to: path)
            if !(Self.growing.contains(fs)) { try await fixture.volumes.unmount("db", id: "c") }
            await #expect(throws: VolumeError.self) { _ = try await fixture.volumes.resize("db", to: "900MiB") }
            #expect(try fixture.image("db").bytes == 300 << 20)
            #expect(try fixture.image("db").allocatedBytes <= 301 << 20)
            #expect(!fixture.pool.appending("volumes/db/resizing").exists)
            _ = try await fixture.volumes.mount("db", id: "c2", for: nil)
            let isWhole = try TestData.isWhole(3, in: path)
            #expect(isWhole)
        }
    }
}
