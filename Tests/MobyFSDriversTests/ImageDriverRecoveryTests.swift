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
            try await eventually("the device lets go of the image") { try fixture.device("db") == nil }
        }
    }

    /// Somebody has entered a container, which has ended since; or a count was lost.
    @Test(arguments: ["ext4", "xfs", "btrfs"])
    func isNotRemovedWhileAnotherMountNamespaceHasIt(fs: String) async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: fs)
            try path.appending("file").write("precious")
            let other = try await MountNamespaceHolder.start(path, at: fixture.root)
            try await fixture.volumes.unmount("db", id: "c")
            #expect(try Mounts.entry(at: fixture.mountpoint("db")) == nil)
            for volumes in [fixture.volumes, await fixture.restarted().volumes] {
                let error = await #expect(throws: VolumeError.self) { try await volumes.remove("db") }
                #expect(error?.code == .inUse)
                #expect(error?.message.contains("process \(other.processID)") == true, "\(error?.message ?? "")")
                await #expect(throws: VolumeError.self) { try await volumes.rename("db", to: "other") }
            }
            other.end()
            try await eventually("the device lets go of the image") { try fixture.device("db") == nil }
            try await fixture.volumes.remove("db")
        }
    }

    /// Of a process that has outlived its container, no mount table tells.
    @Test func isInUseWhileAFileOfItIsOpen() async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: "ext4")
            let descriptor = open(path.appending("file").string, O_CREAT | O_WRONLY | O_CLOEXEC, 0o644)
            #expect(descriptor >= 0)
            // As when the mount namespace of its container has ended.
            #expect(umount2(fixture.mountpoint("db").string, Int32(MNT_DETACH)) == 0)
            try await fixture.volumes.unmount("db", id: "c")
            await #expect(throws: VolumeError.self) { try await fixture.volumes.snapshot("db") }
            await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("copy", options: ["from": "db"])
            }
            let error = await #expect(throws: VolumeError.self) { try await fixture.volumes.remove("db") }
            #expect(error?.code == .inUse)
            #expect(error?.message.contains("has a file of it open") == true, "\(error?.message ?? "")")
            close(descriptor)
            try await fixture.volumes.remove("db")
        }
    }

    @Test func isNotCopiedWhereItWasUnmountedUnderItsHolder() async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: "ext4")
            let other = try await MountNamespaceHolder.start(path, at: fixture.root)
            defer { other.end() }
            try Mounts.unmount(fixture.mountpoint("db"))
            let error = await #expect(throws: VolumeError.self) { try await fixture.volumes.snapshot("db") }
            #expect(error?.code == .inUse)
        }
    }

    @Test func tellsOfAMountedOneThatCannotBeWritten() async throws {
        try await withImageVolumes { fixture in
            _ = try await fixture.mounted("db", fs: "ext4")
            await fixture.volumes.checkCondition()
            #expect(try fixture.volumes.describe("db").trouble == nil)
            // As after an error of its file system.
            try await tool("mount", "-o", "remount,ro", fixture.mountpoint("db").string)
            await fixture.volumes.checkCondition()
            #expect(try fixture.volumes.describe("db").trouble?.contains("cannot be written") == true)
            try await tool("mount", "-o", "remount,rw", fixture.mountpoint("db").string)
            _ = try await fixture.volumes.mount("db", id: "d", for: nil)
            #expect(try fixture.volumes.describe("db").trouble == nil)
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
            try await eventually("the device lets go of the image") { try fixture.device("db") == nil }
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

    private func capacity(_ path: FilePath) throws -> UInt64 {
        var status = statvfs()
        try #require(statvfs(path.string, &status) == 0)
        return UInt64(status.f_blocks) * UInt64(status.f_frsize)
    }

    /// A volume that is not mounted, as a crash left it.
    private func crashed(
        _ fixture: ManagerFixture, record: String, image: UInt64? = nil, isMarked: Bool
    ) async throws -> ManagerFixture {
        try await fixture.volumes.unmount("db", id: "c")
        let path = fixture.pool.appending("volumes/db/record.json")
        let size = try #require(try fixture.volumes.describe("db").volume?.options.size?.normal)
        try #require(try path.text.contains("\"\(size)\""))
        try path.edit { $0.replacing("\"\(size)\"", with: "\"\(record)\"") }
        if isMarked { try fixture.pool.appending("volumes/db/resizing").write("") }
        if let image { try fixture.image("db").grow(to: image, isAllocated: false, until: .now + .seconds(60)) }
        return await fixture.restarted()
    }

    /// The record was larger already, and so maybe the image; its file system was not.
    @Test(arguments: ["ext4", "xfs", "btrfs"], [true, false])
    func finishesGrowing(fs: String, isImageLarger: Bool) async throws {
        try await withImageVolumes { first in
            let path = try await first.mounted("db", fs: fs, with: ["size": "300MiB"])
            try TestData.write(3, to: path)
            let fixture = try await crashed(
                first, record: "600MiB", image: isImageLarger ? 600 << 20 : nil, isMarked: isImageLarger)

            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try capacity(path) > 400 << 20)
            #expect(try fixture.image("db").bytes == 600 << 20)
            let isWhole = try TestData.isWhole(3, in: path)
            #expect(isWhole)
            let files = try Directories.entries(of: fixture.pool.appending("volumes/db"))
            #expect(files.sorted() == ["image", "record.json", "record.json.copy"])
            // Who asks again finds it done.
            _ = try await fixture.volumes.resize("db", to: "600MiB")
        }
    }

    @Test func finishesGrowingBeforeItIsCopied() async throws {
        try await withImageVolumes { first in
            let path = try await first.mounted("db", fs: "ext4", with: ["size": "300MiB"])
            try TestData.write(3, to: path)
            let fixture = try await crashed(first, record: "600MiB", image: 600 << 20, isMarked: true)
            _ = try await fixture.volumes.snapshot("db", as: "one")
            #expect(!fixture.pool.appending("volumes/db/resizing").exists)
            try await fixture.volumes.restore("db", from: "one")
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try capacity(path) > 400 << 20)
            let isWhole = try TestData.isWhole(3, in: path)
            #expect(isWhole)
        }
    }

    /// Whoever has it mounted since before the crash goes on, and mounts it no more.
    @Test(arguments: ["xfs", "btrfs"])
    func finishesGrowingBelowItsContainerBeforeItIsCopied(fs: String) async throws {
        try await withImageVolumes(on: .xfs) { first in
            let path = try await first.mounted("db", fs: fs, with: ["size": "300MiB"])
            try TestData.write(3, to: path)
            let directory = first.pool.appending("volumes/db")
            try directory.appending("record.json").edit {
                $0.replacing("\"300MiB\"", with: "\"600MiB\"").replacing(/\n *"checksum"[^\n]*/, with: "")
            }
            try directory.appending("resizing").write("")
            let fixture = await first.restarted()
            try #require(try fixture.volumes.describe("db").mountCount == 1)
            _ = try await fixture.volumes.snapshot("db", as: "one")
            #expect(!directory.appending("resizing").exists)
            #expect(try capacity(path) > 400 << 20)
            let isWhole = try TestData.isWhole(3, in: path)
            #expect(isWhole)
        }
    }

    /// The record is the old one again, and the file system has not grown.
    @Test(arguments: ["ext4", "xfs", "btrfs"], [true, false])
    func cutsOffWhatAnImageHasBeyondItsRecord(fs: String, isMarked: Bool) async throws {
        try await withImageVolumes { first in
            let path = try await first.mounted("db", fs: fs, with: ["size": "300MiB"])
            try TestData.write(3, to: path)
            let before = try capacity(path)
            let fixture = try await crashed(first, record: "300MiB", image: 600 << 20, isMarked: isMarked)

            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try capacity(path) == before)
            #expect(try fixture.image("db").bytes == 300 << 20)
            #expect(!fixture.pool.appending("volumes/db/resizing").exists)
            let isWhole = try TestData.isWhole(3, in: path)
            #expect(isWhole)
        }
    }

    /// The record is the old one again, and the file system has grown: only btrfs can go back while it is mounted.
    @Test(arguments: ["ext4", "xfs", "btrfs"])
    func neverCutsOffAFileSystem(fs: String) async throws {
        try await withImageVolumes { first in
            let path = try await first.mounted("db", fs: fs, with: ["size": "300MiB"])
            try TestData.write(3, to: path)
            try await first.volumes.unmount("db", id: "c")
            _ = try await first.volumes.resize("db", to: "600MiB")
            _ = try await first.volumes.mount("db", id: "c", for: nil)
            let before = try capacity(path)
            let fixture = try await crashed(first, record: "300MiB", isMarked: true)

            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try fixture.image("db").bytes == (fs == "btrfs" ? 300 : 600) << 20)
            #expect(try capacity(path) == (fs == "btrfs" ? 300 << 20 : before))
            let isWhole = try TestData.isWhole(3, in: path)
            #expect(isWhole)
            // What the log says to do.
            _ = try await fixture.volumes.resize("db", to: fs == "btrfs" ? "300MiB" : "600MiB")
            try await fixture.volumes.unmount("db", id: "c")
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            let isStillWhole = try TestData.isWhole(3, in: path)
            #expect(isStillWhole)
        }
    }

    /// Its data is there all the same.
    @Test(arguments: ["ext4", "xfs", "btrfs"])
    func mountsWhatThePoolHasNoRoomToFinish(fs: String) async throws {
        try await withImageVolumes(on: .tmpfs, poolBytes: 400 << 20) { first in
            let path = try await first.mounted("db", fs: fs, with: ["size": "300MiB", "sparse": "false"])
            try TestData.write(3, to: path)
            let fixture = try await crashed(first, record: "600MiB", isMarked: true)
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try fixture.image("db").bytes == 300 << 20)
            let isWhole = try TestData.isWhole(3, in: path)
            #expect(isWhole)
        }
    }

    /// The image could grow, the file system could not: it writes to what is new.
    @Test func takesAFailedResizeBack() async throws {
        try await withImageVolumes(on: .tmpfs, poolBytes: 320 << 20) { fixture in
            let path = try await fixture.mounted("db", fs: "xfs", with: ["size": "300MiB"])
            try TestData.write(3, to: path)
            let filler = fixture.pool.appending("filler")
            #expect(try TestData.fill(filler).reason == .noSpace)
            let error = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.resize("db", to: "600MiB")
            }
            #expect(error?.message.contains("has the size it had") == true, "\(error?.message ?? "")")
            #expect(try fixture.image("db").bytes == 300 << 20)
            #expect(!fixture.pool.appending("volumes/db/resizing").exists)
            try Files.unlink(filler)
            _ = try await fixture.volumes.resize("db", to: "600MiB")
            let isWhole = try TestData.isWhole(3, in: path)
            #expect(isWhole)
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
