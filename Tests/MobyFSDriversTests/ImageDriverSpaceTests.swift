// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

@Suite(.serialized, .enabled(if: ImageTests.canRun, ImageTests.requirement))
struct ImageDriverSpaceTests {
    @Test(arguments: ["ext4", "xfs", "btrfs"])
    func refusesWhatIsMoreThanTheSize(fs: String) async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: fs)
            let size = try fixture.image("db").bytes
            let (bytes, reason) = try TestData.fill(path.appending("file"))
            #expect(reason == .noSpace)
            #expect((size / 8...size).contains(bytes))
            #expect(try fixture.image("db").allocatedBytes <= size)
            // And nothing is broken by it.
            try Files.unlink(path.appending("file"))
            _ = try await fixture.volumes.mount("db", id: "c2", for: nil)
        }
    }

    @Test(arguments: ["ext4", "xfs", "btrfs"])
    func returnsSpaceThatIsFreedInside(fs: String) async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: fs)
            try TestData.write(12, to: path)
            let full = try fixture.image("db").allocatedBytes
            for index in 0..<12 { try Files.unlink(path.appending("file\(index)")) }
            try await fixture.volumes.unmount("db", id: "c")
            try await eventually("its space is free again") {
                // While another test starts a program, that has the volume open as well, and it stays mounted for now.
                await fixture.volumes.unmountIdle()
                return try fixture.image("db").allocatedBytes + 11 << 20 <= full
            }
        }
    }

    @Test(arguments: ["ext4", "xfs", "btrfs"])
    func keepsAllBlocksOfAnImageThatIsNotSparse(fs: String) async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: fs, with: ["sparse": "false"])
            let size = try fixture.image("db").bytes
            #expect(try fixture.image("db").allocatedBytes >= size)
            try TestData.write(12, to: path)
            for index in 0..<12 { try Files.unlink(path.appending("file\(index)")) }
            try Directories.syncFileSystem(of: path)
            try await fixture.volumes.unmount("db", id: "c")
            #expect(try fixture.image("db").allocatedBytes >= size)

            // An administrator can give them away; the next Mount takes them back.
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            try await tool("fstrim", path.string)
            try await fixture.volumes.unmount("db", id: "c")
            #expect(try fixture.image("db").allocatedBytes < size)
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try fixture.image("db").allocatedBytes >= size)
        }
    }

    @Test(arguments: ["ext4", "xfs", "btrfs"])
    func leavesNothingBehindWhereThereIsNoRoom(fs: String) async throws {
        // Room for the folders, not for 1 GiB.
        try await withImageVolumes(on: .tmpfs, poolBytes: 8 << 20) { fixture in
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("db", options: ["fs": fs, "sparse": "false"])
            }
            #expect("\(error as (any Error)?)".contains("No space left"))
            let left = try Directories.entries(of: fixture.pool.appending("volumes"))
            #expect(left.isEmpty)
            #expect(!fixture.mountpoint("db").exists)
        }
    }

    /// A sparse image needs no room until somebody writes to it, and mkfs does.
    @Test(arguments: ["ext4", "xfs", "btrfs"])
    func leavesNothingBehindWhereMakingTheFileSystemFails(fs: String) async throws {
        try await withImageVolumes(on: .tmpfs, poolBytes: 256 << 10) { fixture in
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("db", options: ["fs": fs])
            }
            #expect(error?.code == .io)
            // Not all of the programs say so.
            let text = error?.description ?? ""
            #expect(text.contains("No space left on device; the pool has"), "\(text)")
            let left = try Directories.entries(of: fixture.pool.appending("volumes"))
            #expect(left.isEmpty)
            #expect(!fixture.mountpoint("db").exists)
        }
    }

    @Test(arguments: ["ext4", "xfs", "btrfs"])
    func leavesNothingBehindWhenTheTimeIsUp(fs: String) async throws {
        try await withTemporaryDirectory { root in
            let driver = ImageDriver()
            let options = try OptionParser(driver).parse(["fs": fs]).options
            let volume = Volume(name: try VolumeName("db"), driver: "image", options: options)
            let context = DriverContext(
                root: root, mounts: root.appending("mnt"), deadline: .now + .milliseconds(2), logger: .silent)
            let error = await #expect(throws: VolumeError.self) { _ = try await driver.create(volume, in: context) }
            #expect(error?.cause is HelperError)
            let left = try Directories.entries(of: root)
            #expect(left.isEmpty)
        }
    }

    /// Whoever has reserved space finds it when all the rest is gone.
    @Test func writesToReservedSpaceOfAFullPool() async throws {
        try await withImageVolumes(on: .xfs, poolBytes: 400 << 20) { fixture in
            let path = try await fixture.mounted("db", fs: "ext4", with: ["sparse": "false"])
            try await fixture.volumes.unmount("db", id: "c")
            _ = try TestData.fill(fixture.pool.appending("rest"))
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            try TestData.write(16, to: path)
            let isWhole = try TestData.isWhole(16, in: path)
            #expect(isWhole)
        }
    }

    /// The journal cannot be written, the file system gives up, and the next container is not started on it.
    @Test func saysSoWhenAFullPoolBreaksASparseVolume() async throws {
        try await withImageVolumes(on: .tmpfs, poolBytes: 24 << 20) { fixture in
            let path = try await fixture.mounted("db", fs: "ext4", with: ["size": "64MiB"])
            _ = try TestData.fill(fixture.pool.appending("rest"))
            for index in 0..<32 {
                // Whether the cache takes it or not: what counts is what becomes of the journal.
                _ = try? path.appending("file\(index)").write(String(repeating: "x", count: 1 << 20))
                _ = try? Directories.syncFileSystem(of: path)
            }
            let error = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.mount("db", id: "c2", for: nil)
            }
            let text = error?.message ?? ""
            #expect(text.contains("the pool is full: make room in it") && !text.contains("e2fsck"), "\(text)")
            // With room it is good again.
            try Files.unlink(fixture.pool.appending("rest"))
            try await fixture.volumes.unmount("db", id: "c")
            _ = try await fixture.volumes.mount("db", id: "c2", for: nil)
        }
    }

    /// The kernel says the same of both; an image in a full pool is mostly as good as ever.
    @Test func speaksOfDamageOnlyWhereThePoolHasRoom() async throws {
        try await withImageVolumes(on: .tmpfs, poolBytes: 64 << 20) { fixture in
            _ = try await fixture.mounted("db", fs: "ext4")
            try await fixture.volumes.unmount("db", id: "c")
            let image = try FileDescriptor.open(fixture.image("db").path, .writeOnly)
            try image.closeAfter { _ = try image.writeAll([UInt8](repeating: 0x5a, count: 1 << 20)) }
            func refusal() async -> String {
                let error = await #expect(throws: VolumeError.self) {
                    _ = try await fixture.volumes.mount("db", id: "c", for: nil)
                }
                return error?.message ?? ""
            }
            _ = try TestData.fill(fixture.pool.appending("rest"))
            let full = await refusal()
            #expect(full.contains("the pool is full: make room in it"), "\(full)")
            #expect(!full.contains("damaged") && !full.contains("e2fsck"), "\(full)")
            try Files.unlink(fixture.pool.appending("rest"))
            let damaged = await refusal()
            #expect(damaged.contains("damaged") && damaged.contains("e2fsck"), "\(damaged)")
        }
    }
}
