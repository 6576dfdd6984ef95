// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

@Suite(.enabled(if: Machine.isRoot, "mounting needs root"), .serialized)
struct MountDriverTests {
    @Test(arguments: ["bind", "rbind,ro"])
    func bindsAFolderOfTheHost(o: String) async throws {
        try await withMountDriver { fixture in
            let source = fixture.root.appending("srv, 100%")
            try Directories.create(source, mode: 0o755)
            try source.appending("file").write("data")
            let options = ["type": "none", "device": source.string, "o": o]
            // Twice, as for two containers.
            for _ in 0..<2 {
                let path = try await fixture.mount(options)
                #expect(try path.appending("file").text == "data")
            }
            #expect((mkdir(fixture.mounts.appending("new").string, 0o755) == 0) == (o == "bind"))
            for _ in 0..<2 { try await fixture.unmount(options) }
            #expect(!fixture.mounts.exists)
            #expect(try source.appending("file").text == "data")
        }
    }

    @Test func mountsLayers() async throws {
        try await withMountDriver { fixture in
            let names = ["low,er", "upper", "work"].map { fixture.root.appending($0) }
            for name in names { try Directories.create(name, mode: 0o755) }
            try names[0].appending("file").write("below")
            let o = "lowerdir=\"\(names[0])\",upperdir=\(names[1]),workdir=\(names[2])"
            let options = ["type": "overlay", "device": "overlay", "o": o, "uid": "1234", "mode": "0750"]
            for _ in 0..<2 {
                let path = try await fixture.mount(options)
                #expect(try path.appending("file").text == "below")
                #expect(path.attributes == (0o750, 1234, 0))
                // As image seeding does it.
                chown(path.string, 0, 0)
            }
            try await fixture.unmount(options)
            let lost = ["type": "overlay", "device": "overlay", "o": "lowerdir=/nowhere"]
            #expect(try await fixture.refusal(lost).contains("'lowerdir=/nowhere' names what is not there (ENOENT)"))
            let mistyped = ["type": "overlay", "device": "overlay", "o": "lowerdri=/a"]
            let text = try await fixture.refusal(mistyped)
            #expect(text.contains("unknown mount option 'lowerdri' of overlay; did you mean 'lowerdir'?"))
        }
    }

    @Test func mountsADisk() async throws {
        try await withMountDriver { fixture in
            try await withLoopDevice(in: fixture.root) { device in
                let options = ["type": "ext4", "device": device, "o": "noatime,discard"]
                for _ in 0..<2 {
                    let path = try await fixture.mount(options)
                    #expect(path.appending("lost+found").exists)
                }
                #expect(try fixture.entry?.source == device)
                try await fixture.unmount(options)
                let read = try await fixture.mount(options.merging(["o": "ro"]) { $1 })
                #expect(mkdir(read.appending("x").string, 0o755) != 0)
                try await fixture.unmount(options)
                let owner = try await fixture.refusal(options.merging(["o": "ro", "uid": "5"]) { $1 })
                #expect(owner.contains("uid, gid and mode cannot be set on ext4") && owner.contains("EROFS"))
                let wrong = try await fixture.refusal(["type": "xfs", "device": device])
                #expect(wrong.contains("source '\(device)'") && wrong.contains("EINVAL"))
                let mistyped = try await fixture.refusal(["type": "ext4", "device": device, "o": "dsicard"])
                #expect(mistyped.contains("'dsicard' of ext4; did you mean 'discard'?"))
            }
        }
    }

    private func withLoopDevice(in root: FilePath, _ body: (String) async throws -> Void) async throws {
        let image = root.appending("image")
        let deadline = ContinuousClock.now + .seconds(60)
        try await HelperProgram("truncate", package: "coreutils").run(["-s", "16M", image.string], until: deadline)
        try await HelperProgram("mkfs.ext4", package: "e2fsprogs").run(["-q", image.string], until: deadline)
        let losetup = HelperProgram("losetup", package: "mount")
        let device = try await losetup.run(["--find", "--show", image.string], until: deadline).filter { !$0.isNewline }
        do {
            try await body(device)
        } catch {
            try await losetup.run(["--detach", device], until: .now + .seconds(90))
            throw error
        }
        try await losetup.run(["--detach", device], until: .now + .seconds(90))
    }

    @Test(
        arguments: [
            (["type": "ext4", "device": "/dev/nonexistent"], "ENOENT"),
            (["type": "none", "device": "/nonexistent", "o": "bind"], "ENOENT"),
            (["type": "none", "device": "/etc/passwd", "o": "bind"], "ENOTDIR"),
            (["type": "ext4", "device": "/etc/passwd"], "ENOTBLK"),
            (["type": "nonsensefs", "device": "x"], "there is no program mount.nonsensefs"),
            (["type": "fuse.rm", "device": "/etc"], "not known to serve a file system"),
            (["type": "fuse.fuse3", "device": "x"], "not known to serve a file system"),
            (["type": "fuse3", "device": "touch#x"], "not known to serve a file system"),
            (["type": "fuseblk", "device": "touch#x"], "not known to serve a file system"),
            (["type": "mount.fuse3", "device": "touch#x"], "unknown"),
            (["type": "davfs", "device": "https://host/"], "apt install davfs2"),
            (["type": "fuse.gocryptfs", "device": "/srv"], "apt install gocryptfs"),
            (["type": "fuse.goofys", "device": "bucket"], "Debian has no package"),
        ] as [([String: String], String)])
    func saysWhatIsInTheWay(options: [String: String], words: String) async throws {
        try await withMountDriver { fixture in
            let text = try await fixture.refusal(options)
            #expect(text.contains(words), "\(text)")
        }
    }

    @Test func refusesToMountWhereSomethingElseIs() async throws {
        try await withMountDriver { fixture in
            try Mountpoint(fixture.mounts).prepare()
            try Mounts.mount(type: "tmpfs", source: "foreign", at: fixture.mounts)
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.mount(["type": "none", "device": "/srv", "o": "bind"])
            }
            #expect(error?.message.contains("something else is mounted") == true)
            #expect(try fixture.entry?.source == "foreign")
        }
    }

    @Test func saysThatSomebodyIsAtWorkInIt() async throws {
        try await withMountDriver { fixture in
            let options = ["type": "tmpfs", "device": "x"]
            let path = try await fixture.mount(options)
            let descriptor = open(path.string, O_RDONLY | O_DIRECTORY)
            let error = await #expect(throws: VolumeError.self) { try await fixture.unmount(options) }
            #expect(error?.code == .inUse)
            close(descriptor)
            try await fixture.unmount(options)
        }
    }

    @Test func makesAFolderOfTheVolumesName() async throws {
        try await withMountDriver { fixture in
            let source = fixture.root.appending("srv")
            try Directories.create(source, mode: 0o755)
            let options = ["type": "none", "device": source.string, "o": "bind", "create": "true", "mode": "0700"]
            for _ in 0..<2 {
                let path = try await fixture.mount(options)
                #expect(path == fixture.mounts.appending("db"))
                #expect(path.attributes.mode == 0o700)
                try await fixture.unmount(options)
            }
            #expect(source.appending("db").exists)
        }
    }

    @Test func entersNoLinkInPlaceOfTheFolder() async throws {
        try await withMountDriver { fixture in
            let (source, other) = (fixture.root.appending("srv"), fixture.root.appending("other"))
            for folder in [source, other] { try Directories.create(folder, mode: 0o755) }
            let options = [
                "type": "none", "device": source.string, "o": "bind", "create": "true", "mode": "0777", "uid": "1234",
            ]
            func refusalOfMounted() async throws -> String {
                let error = await #expect(throws: VolumeError.self) { try await fixture.mount(options) }
                return "\(try #require(error))"
            }
            // While it is mounted for another container.
            try await fixture.mount(options)
            try check(rmdir(source.appending("db").string), "rmdir")
            symlink(other.string, source.appending("db").string)
            let mounted = try await refusalOfMounted()
            #expect(mounted.contains("'\(fixture.mounts)/db', which is a symbolic link"), "\(mounted)")
            #expect(mounted.contains("create=true is for a folder"), "\(mounted)")
            #expect(try fixture.entry != nil, "the other container keeps it")
            try await fixture.unmount(options)
            let link = try await fixture.refusal(options)
            #expect(link.contains("which is a symbolic link"), "\(link)")
            unlink(source.appending("db").string)
            symlink("../other/new", source.appending("db").string)
            _ = try await fixture.refusal(options)
            #expect(!other.appending("new").exists)
            #expect(other.attributes == (0o755, 0, 0))
            unlink(source.appending("db").string)
            try source.appending("db").write("a file")
            let file = try await fixture.refusal(options)
            #expect(file.contains("which is a file"), "\(file)")
            unlink(source.appending("db").string)
            let path = try await fixture.mount(options)
            #expect(path.attributes == (0o777, 1234, 0))
            // It is made anew if somebody has deleted it.
            try check(rmdir(path.string), "rmdir")
            try await fixture.mount(options)
            #expect(path.attributes == (0o777, 1234, 0))
            try await fixture.unmount(options)
        }
    }

    @Test func keepsAwayFromWhatIsMobyFSItself() async throws {
        try await withMountDriver { fixture in
            try Directories.create(fixture.root.appending("pool/volumes"), mode: 0o755)
            symlink(fixture.root.appending("pool").string, fixture.root.appending("link").string)
            let link = fixture.root.appending("link/volumes").string
            let text = try await fixture.refusal(["type": "none", "device": link, "o": "bind"])
            #expect(text.contains("overlaps"))
        }
    }
}
