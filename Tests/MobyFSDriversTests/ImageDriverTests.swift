// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

@Suite(.serialized, .enabled(if: ImageTests.canRun, ImageTests.requirement))
struct ImageDriverTests {
    @Test(arguments: ["ext4", "xfs", "btrfs"])
    func handsOutAnEmptyRootWithoutLostAndFound(fs: String) async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: fs)
            #expect(path == fixture.mountpoint("db").appending("data"))
            #expect(try Directories.entries(of: path).isEmpty)
            #expect(path.attributes == (0o755, 0, 0))
            #expect(fixture.mountpoint("db").attributes.mode == 0o711)
            #expect(fixture.image("db").path.attributes.mode == 0o600)
            #expect(try Mounts.entry(at: fixture.mountpoint("db"))?.type == fs)

            try await fixture.volumes.unmount("db", id: "c")
            #expect(try fixture.device("db") == nil)
            #expect(!fixture.mountpoint("db").exists)
            try await fixture.volumes.remove("db")
            #expect(!fixture.image("db").path.exists)
        }
    }

    @Test func givesTheOwnerAndModeThatAreAskedForAtEachMount() async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted(
                "db", fs: "ext4", with: ["uid": "1234", "gid": "5678", "mode": "2770"])
            #expect(path.attributes == (0o2770, 1234, 5678))
            // As image seeding does it.
            chown(path.string, 0, 0)
            _ = try await fixture.volumes.mount("db", id: "c2", for: nil)
            #expect(path.attributes == (0o2770, 1234, 5678))
        }
    }

    @Test func keepsDataFromMountToMountAndMountsOnce() async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: "ext4")
            try path.appending("file").write("precious")
            #expect(try await fixture.volumes.mount("db", id: "c2", for: nil) == path)
            let mounts = try MountTable().entries.filter { $0.mountpoint == fixture.mountpoint("db") }
            #expect(mounts.count == 1)
            try await fixture.volumes.unmount("db", id: "c")
            #expect(try path.appending("file").text == "precious")
            try await fixture.volumes.unmount("db", id: "c2")
            #expect(try Mounts.entry(at: fixture.mountpoint("db")) == nil)
            _ = try await fixture.volumes.mount("db", id: "c3", for: nil)
            #expect(try path.appending("file").text == "precious")
        }
    }

    @Test func staysMountedWhileAProcessIsAtWorkInIt() async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: "ext4")
            try path.appending("file").write("precious")
            let file = try FileDescriptor.open(path.appending("file"), .readOnly)
            // The engine is told that all is well: its container has ended.
            try await fixture.volumes.unmount("db", id: "c")
            #expect(try Mounts.entry(at: fixture.mountpoint("db")) != nil)
            try file.close()
            await fixture.volumes.unmountIdle()
            #expect(try Mounts.entry(at: fixture.mountpoint("db")) == nil)
        }
    }

    @Test(arguments: PoolKind.allCases)
    func livesOnPoolsOfManyKinds(kind: PoolKind) async throws {
        try await withImageVolumes(on: kind) { fixture in
            for sparse in ["true", "false"] {
                let name = "volume-\(sparse)"
                let path = try await fixture.mounted(name, fs: "ext4", with: ["sparse": sparse])
                try TestData.write(4, to: path)
                try await fixture.volumes.unmount(name, id: "c")
                let allocated = try fixture.image(name).allocatedBytes
                #expect(sparse == "true" ? allocated < 32 << 20 : allocated >= 32 << 20)
                _ = try await fixture.volumes.mount(name, id: "c", for: nil)
                let isWhole = try TestData.isWhole(4, in: path)
                #expect(isWhole)
                try await fixture.volumes.unmount(name, id: "c")
                try await fixture.volumes.remove(name)
            }
        }
    }

    @Test func mountsManyAtOnce() async throws {
        try await withImageVolumes { fixture in
            let kinds = ["ext4", "xfs", "btrfs"]
            let devices = try await withThrowingTaskGroup(of: LoopDevice?.self) { group in
                for index in 0..<16 {
                    group.addTask {
                        let path = try await fixture.mounted("v\(index)", fs: kinds[index % 3])
                        try path.appending("file").write("\(index)")
                        return try fixture.device("v\(index)")
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(devices.compactMap { $0 }).count == 16)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<16 {
                    group.addTask {
                        let path = fixture.mountpoint("v\(index)").appending("data/file")
                        #expect(try path.text == "\(index)")
                        try await fixture.volumes.unmount("v\(index)", id: "c")
                        #expect(try fixture.device("v\(index)") == nil)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    /// A program that is being started has the daemon's descriptors for a moment, those in a volume too.
    @Test func programsThatAreBeingStartedDoNotCount() async throws {
        try await withImageVolumes { fixture in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask { for _ in 0..<100 { try await tool("true") } }
                }
                for index in 0..<4 {
                    group.addTask {
                        let path = try await fixture.mounted("v\(index)", fs: "ext4")
                        for _ in 0..<20 {
                            try path.appending("file").write("precious")
                            try await fixture.volumes.unmount("v\(index)", id: "c")
                            let entry = try Mounts.entry(at: fixture.mountpoint("v\(index)"))
                            #expect(entry == nil)
                            _ = try await fixture.volumes.mount("v\(index)", id: "c", for: nil)
                        }
                        try await fixture.volumes.unmount("v\(index)", id: "c")
                        try await fixture.volumes.remove("v\(index)")
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func takesUpDataThatWasKept() async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("db", fs: "ext4", with: ["on-remove": "keep"])
            try TestData.write(4, to: path)
            try await fixture.volumes.unmount("db", id: "c")
            try await fixture.volumes.remove("db")

            // Another file system, or less room, would cost the data.
            for options in [["fs": "xfs", "size": "300MiB"], ["size": "16MiB"], ["sparse": "false", "size": "32MiB"]] {
                let error = await #expect(throws: VolumeError.self) {
                    try await fixture.volumes.create("db", options: options.merging(["driver": "image"]) { $1 })
                }
                #expect(error?.code == .alreadyExists)
                #expect(error?.message.contains("size=32MiB, fs=ext4, sparse=true") == true)
            }
            // More room is no harm.
            _ = try await fixture.mounted("db", fs: "ext4", with: ["size": "64MiB"])
            let isWhole = try TestData.isWhole(4, in: path)
            #expect(isWhole)
            #expect(try fixture.image("db").bytes == 64 << 20)
        }
    }
}
