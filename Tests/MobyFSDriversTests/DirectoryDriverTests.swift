// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import Synchronization
import SystemPackage
import Testing

@Suite struct DirectoryDriverTests {
    private func withVolumes(_ body: (ManagerFixture) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            let driver = DirectoryDriver(reserved: [root.appending("pool")])
            try await body(await ManagerFixture(root: root, drivers: [driver]))
        }
    }

    @Test func handsOutAnEmptyDirectoryOfItsOwn() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: nil)
            let path = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(path == fixture.pool.appending("volumes/db/data"))
            #expect(try Directories.entries(of: path).isEmpty)
            #expect(path.attributes.mode == 0o755)
            #expect(fixture.pool.appending("volumes").attributes.mode == 0o711)
            #expect(fixture.pool.appending("volumes/db/record.json").attributes.mode == 0o600)
        }
    }

    @Test(.enabled(if: Machine.isRoot, "mounting needs root"))
    func isNotRemovedWhileAnOverlayHasALayerInIt() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: nil)
            let path = try #require(try fixture.volumes.describe("db").mountpoint)
            try path.appending("file").write("precious")
            let merged = fixture.root.appending("merged")
            let other = fixture.root.appending("other")
            for directory in [merged, other] { try Directories.create(directory, mode: 0o755) }
            try #require(mount("overlay", merged.string, "overlay", 0, "lowerdir=\(path):\(other)") == 0)
            defer { umount2(merged.string, CInt(MNT_DETACH)) }
            let error = await #expect(throws: VolumeError.self) { try await fixture.volumes.remove("db") }
            #expect(error?.code == .inUse)
            #expect(error?.message.contains("overlay at '\(merged)' has a layer in volume 'db'") == true)
            umount2(merged.string, CInt(MNT_DETACH))
            try await fixture.volumes.remove("db")
        }
    }

    /// Of a database that is at work some files are gone before they are looked at.
    @Test func isAsFullAsItsFilesThatStay() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: nil)
            let path = try #require(try fixture.volumes.describe("db").mountpoint)
            try path.appending("file").write(String(repeating: "x", count: 1 << 20))
            let isOver = Atomic(false)
            async let work: Void = BlockingWork.run {
                while !isOver.load(ordering: .relaxed) {
                    for number in 0..<200 { mkdir("\(path)/d\(number)", 0o700) }
                    for number in 0..<200 { rmdir("\(path)/d\(number)") }
                }
            }
            do {
                defer { isOver.store(true, ordering: .relaxed) }
                for _ in 0..<20 {
                    let usage = try await fixture.volumes.usage(of: ["db"])[0].usage.get()
                    #expect(usage.usedBytes >= 1 << 20)
                }
            }
            await work
        }
    }

    @Test(.enabled(if: Machine.isRoot, "chown needs root"))
    func givesTheOwnerAndModeThatAreAskedForAtEachMount() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: ["uid": "1234", "gid": "5678", "mode": "2770"])
            let path = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(path.attributes == (0o2770, 1234, 5678))
            // As image seeding does it.
            chown(path.string, 0, 0)
            chmod(path.string, 0o755)
            _ = try await fixture.volumes.mount("db", id: "c2", for: nil)
            #expect(path.attributes == (0o2770, 1234, 5678))
        }
    }

    @Test func leavesOwnerAndModeAloneUnlessAsked() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: nil)
            let path = try await fixture.volumes.mount("db", id: "c", for: nil)
            chmod(path.string, 0o1777)
            _ = try await fixture.volumes.mount("db", id: "c2", for: nil)
            #expect(path.attributes.mode == 0o1777)
        }
    }

    @Test func createsAMountpointWithItsParentsAndKeepsItOnRemove() async throws {
        try await withVolumes { fixture in
            let path = fixture.root.appending("srv/a/b")
            try await fixture.volumes.create("db", options: ["mountpoint": path.string])
            #expect(path.attributes.mode == 0o755)
            try path.appending("file").write("precious")
            #expect(try await fixture.volumes.mount("db", id: "c", for: nil) == path)
            try await fixture.volumes.unmount("db", id: "c")
            try await fixture.volumes.remove("db")
            #expect(try path.appending("file").text == "precious")
            #expect(fixture.volumes.counts.volumes == 0)
            // And again.
            try await fixture.volumes.create("db", options: ["mountpoint": path.string])
            #expect(try path.appending("file").text == "precious")
        }
    }

    /// Whoever can write to the folder above could otherwise have any directory of the host handed out.
    @Test func refusesAMountpointThatALinkHasTakenThePlaceOf() async throws {
        try await withVolumes { fixture in
            let (path, other) = (fixture.root.appending("srv/data"), fixture.root.appending("other"))
            try Directories.create(other, mode: 0o700)
            try await fixture.volumes.create("db", options: ["mountpoint": path.string, "mode": "0777"])
            Directories.removeIfEmpty(path)
            symlink(other.string, path.string)
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.mount("db", id: "i", for: nil)
            }
            #expect(error?.message.contains("leads to '\(other)' now") == true, "\(error?.message ?? "")")
            #expect(other.attributes.mode == 0o700)
        }
    }

    /// `uid=` and `mode=` would change who owns the system.
    @Test func refusesAMountpointThatLeadsIntoTheSystem() async throws {
        try await withVolumes { fixture in
            let path = fixture.root.appending("link")
            symlink("/etc/cron.d", path.string)
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("db", options: ["mountpoint": path.string])
            }
            #expect(error?.message.contains("leads to '/etc/cron.d' in '/etc'") == true, "\(error?.message ?? "")")
        }
    }

    /// A link that was there from the start is the operator's.
    @Test func takesAMountpointThatALinkLeadsTo() async throws {
        try await withVolumes { fixture in
            let (path, other) = (fixture.root.appending("link"), fixture.root.appending("other"))
            try Directories.create(other, mode: 0o700)
            symlink(other.string, path.string)
            try await fixture.volumes.create("db", options: ["mountpoint": path.string])
            _ = try await fixture.volumes.mount("db", id: "i", for: nil)
        }
    }

    @Test func refusesMountpointsThatAreNone() async throws {
        try await withVolumes { fixture in
            try fixture.root.appending("file").write("")
            let paths = [
                "relative", "", "/", "/tmp/../etc", fixture.root.appending("file").string,
                fixture.root.appending("file/below").string, fixture.pool.appending("volumes/x").string,
                fixture.root.string,
            ]
            for path in paths {
                let error = await #expect(throws: VolumeError.self) {
                    try await fixture.volumes.create("db", options: ["mountpoint": path])
                }
                #expect("\(error as (any Error)?)".contains(path), "\(path)")
            }
            #expect(fixture.volumes.counts.volumes == 0)
        }
    }

    @Test(arguments: [
        (["mountpoint": "/etc/cron.d"], "the system's"), (["mountpoint": "/proc/self/cwd/x"], "the system's"),
        (["mountpoint": "/var/lib/docker/volumes"], "the system's"),
        (["mountpoint": "/root", "mode": "0777"], "leave mode out"),
        (["mountpoint": "/srv/.", "uid": "1000"], "leave uid out"),
    ])
    func leavesFoldersOfTheSystemAlone(options: [String: String], words: String) {
        let error = #expect(throws: VolumeError.self) {
            try OptionParser(DirectoryDriver(reserved: [])).parse(options)
        }
        #expect(error?.code == .invalidArgument && error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    @Test func seesThroughLinksAndDotsIntoItsOwnFolders() async throws {
        try await withVolumes { fixture in
            symlink(fixture.pool.string, fixture.root.appending("link").string)
            for path in ["\(fixture.root)/link/volumes/x", "\(fixture.root)/./pool/volumes/x", "\(fixture.root)/link"] {
                await #expect(throws: VolumeError.self, "\(path)") {
                    try await fixture.volumes.create("db", options: ["mountpoint": path])
                }
            }
            let left = try Directories.entries(of: fixture.pool.appending("volumes"))
            #expect(left.isEmpty)
        }
    }

    /// Out of reach behind `mountpoint=`, kept data would go with the next Remove.
    @Test func refusesAMountpointWhereDataWasKept() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: ["on-remove": "keep"])
            let file = fixture.pool.appending("volumes/db/data/file")
            try file.write("precious")
            try await fixture.volumes.remove("db")
            let options = ["mountpoint": fixture.root.appending("srv").string]
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("db", options: options)
            }
            #expect(error?.code == .alreadyExists)
            #expect(try file.text == "precious")
        }
    }

    @Test(arguments: ["delete", "trash"])
    func refusesToPromiseDeletionOutsideThePool(policy: String) async throws {
        try await withVolumes { fixture in
            let options = ["mountpoint": fixture.root.appending("srv").string, "on-remove": policy]
            await #expect(throws: VolumeError.self) { try await fixture.volumes.create("db", options: options) }
            #expect(!fixture.root.appending("srv").exists)
        }
    }

    /// Below the mountpoint of a disk that is absent there is an empty directory: handed out, the data would
    /// seem lost, and what is written would be.
    @Test(.enabled(if: Machine.isRoot, "mounting needs root"))
    func refusesToMountWithoutTheDiskThatWasThere() async throws {
        try await withVolumes { fixture in
            let disk = fixture.root.appending("disk")
            try Directories.create(disk, mode: 0o755)
            try #require(mount("none", disk.string, "tmpfs", 0, nil) == 0)
            try await fixture.volumes.create("db", options: ["mountpoint": disk.appending("db").string])
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            try await fixture.volumes.unmount("db", id: "c")

            try #require(umount(disk.string) == 0)
            for _ in 0..<2 {
                let error = await #expect(throws: VolumeError.self) {
                    try await fixture.volumes.mount("db", id: "c", for: nil)
                }
                #expect(error?.code == .unavailable)
                #expect(error?.message.contains("tmpfs file system at '\(disk)'") == true)
                // Neither does a directory of that name on the wrong disk.
                try Directories.create(disk.appending("db"), mode: 0o755)
            }
            // It is still known, and is there again with its disk.
            _ = try fixture.volumes.describe("db")
            try #require(mount("none", disk.string, "tmpfs", 0, nil) == 0)
            defer { umount(disk.string) }
            try Directories.create(disk.appending("db"), mode: 0o755)
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
        }
    }

    @Test func refusesToMountWhenTheDataIsGone() async throws {
        try await withVolumes { fixture in
            try await fixture.volumes.create("db", options: nil)
            try TreeRemover.remove(fixture.pool.appending("volumes/db/data"))
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.mount("db", id: "c", for: nil)
            }
            #expect(error?.code == .unavailable)
        }
    }
}
