// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

@Suite(.serialized, .enabled(if: ImageTests.canRun, ImageTests.requirement))
struct ImageDriverRecoveryTests {
    @Test func findsItsMountsAgainAfterARestart() async throws {
        try await withImageVolumes { first in
            let path = try await first.mounted("db", fs: "ext4")
            try path.appending("file").write("precious")
            let fixture = await first.restarted()
            _ = try await fixture.volumes.mount("db", id: "c2", for: nil)
            let mounts = try MountTable().entries.filter { $0.mountpoint == fixture.mountpoint("db") }
            #expect(mounts.count == 1)
            #expect(try path.appending("file").text == "precious")
            // As after a reboot.
            try Mounts.unmount(fixture.mountpoint("db"))
            _ = try await fixture.volumes.mount("db", id: "c3", for: nil)
            #expect(try path.appending("file").text == "precious")
        }
    }

    /// A daemon of another make may have left one; so may somebody who looked into the image.
    @Test func usesADeviceThatADeadProcessHasLeft() async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: "ext4")
            try path.appending("file").write("precious")
            try await fixture.volumes.unmount("db", id: "c")
            try await tool("losetup", "--find", fixture.image("db").path.string)
            let device = try #require(try fixture.device("db"))
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try fixture.device("db") == device)
            #expect(try path.appending("file").text == "precious")
            try await fixture.volumes.unmount("db", id: "c")
            #expect(try fixture.device("db") == nil)
        }
    }

    /// Somebody has unmounted it under a container that has it still: a second device would be its end.
    @Test(arguments: ["ext4", "xfs", "btrfs"])
    func sharesTheDeviceWithAMountThatLivesElsewhere(fs: String) async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: fs)
            let container = fixture.root.appending("container")
            try Directories.create(container, mode: 0o755)
            try Mounts.bind(path, at: container)
            let device = try fixture.device("db")
            try await fixture.volumes.unmount("db", id: "c")
            #expect(try fixture.device("db") == device)

            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try fixture.device("db") == device)
            try path.appending("file").write("seen by both")
            #expect(try container.appending("file").text == "seen by both")
            try Mounts.unmount(container)
            try await fixture.volumes.unmount("db", id: "c")
            #expect(try fixture.device("db") == nil)
        }
    }

    @Test func refusesWhatIsMountedInItsPlace() async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: "ext4")
            try path.appending("file").write("precious")
            try await fixture.volumes.unmount("db", id: "c")
            try Directories.create(fixture.mountpoint("db"), mode: 0o755)
            try Mounts.mount(type: "tmpfs", source: "impostor", at: fixture.mountpoint("db"))
            let error = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("'impostor'") == true)
            try Mounts.unmount(fixture.mountpoint("db"))
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try path.appending("file").text == "precious")
        }
    }

    @Test func refusesWhatIsMountedOverItsData() async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: "ext4")
            try path.appending("file").write("precious")
            try Mounts.mount(type: "tmpfs", source: "cover", at: path)
            let error = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.mount("db", id: "c2", for: nil)
            }
            #expect(error?.message.contains("umount \(path)") == true)
            try Mounts.unmount(path)
            _ = try await fixture.volumes.mount("db", id: "c2", for: nil)
            #expect(try path.appending("file").text == "precious")
        }
    }

    @Test func saysThatTheImageIsGone() async throws {
        try await withImageVolumes { fixture in
            _ = try await fixture.mounted("db", fs: "ext4")
            try await fixture.volumes.unmount("db", id: "c")
            try Files.unlink(fixture.image("db").path)
            let error = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("is gone") == true)
            #expect(!fixture.mountpoint("db").exists)
        }
    }

    @Test(arguments: [("ext4", "e2fsck -f"), ("xfs", "xfs_repair -f"), ("btrfs", "btrfs check")])
    func saysWhatToRunOnADamagedImage(fs: String, command: String) async throws {
        try await withImageVolumes { fixture in
            _ = try await fixture.mounted("db", fs: fs)
            try await fixture.volumes.unmount("db", id: "c")
            let image = fixture.image("db").path
            let file = try FileDescriptor.open(image, .writeOnly)
            try file.closeAfter {
                // All that is in the first MiB, and btrfs's second superblock.
                for offset in [0, 64 << 20] as [Int64] {
                    _ = try file.writeAll(toAbsoluteOffset: offset, [UInt8](repeating: 0x5a, count: 1 << 20))
                }
            }
            let error = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            }
            #expect(error?.code == .io)
            #expect(error?.message.contains("\(command) '\(image)'") == true)
            #expect(try fixture.device("db") == nil)
            #expect(!fixture.mountpoint("db").exists)
        }
    }

    /// A copy of an image has the UUID of the first, and each of the two has its own data.
    @Test(arguments: ["ext4", "xfs", "btrfs"])
    func tellsACopyOfAnImageFromTheFirst(fs: String) async throws {
        try await withImageVolumes { fixture in
            let first = try await fixture.mounted("first", fs: fs)
            try first.appending("file").write("first")
            try await fixture.volumes.unmount("first", id: "c")
            let second = try await fixture.mounted("second", fs: fs)
            try await fixture.volumes.unmount("second", id: "c")
            try await tool("cp", fixture.image("first").path.string, fixture.image("second").path.string)

            _ = try await fixture.volumes.mount("second", id: "c", for: nil)
            try second.appending("file").write("second")
            _ = try await fixture.volumes.mount("first", id: "c", for: nil)
            #expect(try first.appending("file").text == "first")
            #expect(try second.appending("file").text == "second")
        }
    }

    // MARK: - Resizing that was cut off

    private static let growing = ["ext4", "xfs", "btrfs"].filter {
        $0 != "ext4" || Capability.systemResource.isEffective
    }

    private func capacity(_ path: FilePath) throws -> UInt64 {
        var status = statvfs()
        try #require(statvfs(path.string, &status) == 0)
        return UInt64(status.f_blocks) * UInt64(status.f_frsize)
    }

    /// The image was larger already, its file system was not.
    @Test(arguments: growing)
    func finishesGrowing(fs: String) async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: fs, with: ["size": "300MiB"])
            try TestData.write(3, to: path)
            try await fixture.volumes.unmount("db", id: "c")
            let marker = fixture.pool.appending("volumes/db/resizing")
            try marker.write("")
            try fixture.image("db").grow(to: 600 << 20, isAllocated: false, until: .now + .seconds(60))

            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try capacity(path) > 400 << 20)
            let isWhole = try TestData.isWhole(3, in: path)
            #expect(isWhole)
            #expect(!marker.exists)
            // Who asks again finds it done.
            _ = try await fixture.volumes.resize("db", to: "600MiB")
        }
    }

    /// The file system was smaller already, its image was not.
    @Test func takesShrinkingBack() async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: "btrfs", with: ["size": "500MiB"])
            try TestData.write(3, to: path)
            let marker = fixture.pool.appending("volumes/db/resizing")
            try marker.write("")
            try await tool("btrfs", "filesystem", "resize", "300M", fixture.mountpoint("db").string)
            try await fixture.volumes.unmount("db", id: "c")

            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try capacity(path) == 500 << 20)
            let isWhole = try TestData.isWhole(3, in: path)
            #expect(isWhole)
            #expect(!marker.exists)
        }
    }

    @Test func deletesWhatIsLeftOfASmallerImage() async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: "ext4")
            try TestData.write(3, to: path)
            try await fixture.volumes.unmount("db", id: "c")
            let draft = fixture.pool.appending("volumes/db/image.new")
            try draft.write("half of it")
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            let isWhole = try TestData.isWhole(3, in: path)
            #expect(isWhole)
            #expect(!draft.exists)
        }
    }
}
