// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite(.enabled(if: Machine.isRoot, "mounting needs root"), .serialized)
struct MountsTests {
    /// Runs `body` with a mountpoint that is unmounted afterwards.
    private func withMountpoint(_ body: (_ root: FilePath, _ path: FilePath) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            let mountpoint = Mountpoint(root.appending("a/mount point"))
            try mountpoint.prepare()
            defer {
                #expect(throws: Never.self) {
                    while try Mounts.entry(at: mountpoint.path) != nil { try Mounts.unmount(mountpoint.path) }
                    try mountpoint.remove()
                }
            }
            try await body(root, mountpoint.path)
        }
    }

    private func refusal(_ body: () throws -> Void) -> MountError? {
        #expect(throws: MountError.self, performing: body)
    }

    @Test func mountsAFileSystemAndSaysWhatIsThere() async throws {
        try await withMountpoint { _, path in
            #expect(try Mounts.entry(at: path) == nil)
            try Mounts.mount(type: "tmpfs", source: "a source", at: path, options: [("size", "1m"), ("mode", "0700")])
            let entry = try #require(try Mounts.entry(at: path))
            #expect(entry.type == "tmpfs" && entry.source == "a source")
            #expect(path.attributes.mode == 0o700)
            // One over the other: the topmost counts.
            try Mounts.mount(type: "tmpfs", source: "other", at: path)
            #expect(try Mounts.entry(at: path)?.source == "other")
            try Mounts.unmount(path)
            #expect(try Mounts.entry(at: path)?.source == "a source")
        }
    }

    @Test func understandsTheOptionsThatAllFileSystemsHave() async throws {
        try await withMountpoint { _, path in
            let options = [
                "defaults", "ro", "noatime", "nosuid", "nodev", "noexec", "sync", "_netdev", "x-systemd.automount",
                "private", "nosymfollow",
            ]
            try Mounts.mount(type: "tmpfs", source: "none", at: path, options: options.map { ($0, nil) })
            let line = try mountinfo(of: path)
            for word in ["ro", "noatime", "nosuid", "nodev", "noexec", "nosymfollow", "sync"] {
                #expect(line.split { $0 == " " || $0 == "," }.contains(Substring(word)), "\(word): \(line)")
            }
            try Mounts.unmount(path)
            // The last one counts.
            try Mounts.mount(
                type: "tmpfs", source: "none", at: path,
                options: [("ro", nil), ("rw", nil), ("noexec", nil), ("exec", nil)])
            let words = try mountinfo(of: path).split { $0 == " " || $0 == "," }
            #expect(!words.contains("ro") && !words.contains("noexec"))
        }
    }

    private func mountinfo(of path: FilePath) throws -> String {
        let text = String(decoding: try DurableFile.read("/proc/self/mountinfo", limit: 1 << 24), as: UTF8.self)
        let name = path.string.split(separator: " ").joined(separator: "\\040")
        return try #require(text.split(separator: "\n").last { $0.contains(" \(name) ") }).description
    }

    /// Commas, percent signs, quotes and blanks are part of a name; colons separate layers.
    @Test func takesValuesAsTheyAre() async throws {
        try await withMountpoint { root, path in
            let lower = root.appending("low,er 100% \"x\" 'y' =z")
            let (upper, work) = (root.appending("up,per"), root.appending("wo,rk"))
            for directory in [lower, upper, work] { try Directories.create(directory, mode: 0o755) }
            try lower.appending("file").write("from below")
            let options: [Mounts.Option] = [
                ("lowerdir", lower.string), ("upperdir", upper.string), ("workdir", work.string),
            ]
            try Mounts.mount(type: "overlay", source: "overlay", at: path, options: options)
            #expect(try path.appending("file").text == "from below")
            try path.appending("other").write("x")
            #expect(upper.appending("other").exists)
        }
    }

    /// fsconfig(2) takes 255 bytes: a stack of layers has more.
    @Test func takesLongValues() async throws {
        try await withMountpoint { root, path in
            var layers: [String] = []
            for number in 0..<8 {
                let layer = root.appending("layer-\(number)-" + String(repeating: "x", count: 60))
                try Directories.create(layer, mode: 0o755)
                try layer.appending("file\(number)").write("\(number)")
                layers.append(layer.string)
            }
            try Mounts.mount(
                type: "overlay", source: "overlay", at: path,
                options: [("lowerdir", layers.joined(separator: ":")), ("ro", nil), ("nosuid", nil)])
            #expect(try Directories.entries(of: path).count == 8)
            #expect(try mountinfo(of: path).contains("nosuid"))
        }
    }

    @Test func carriesTheKernelsWordsAndTheErrorsName() async throws {
        try await withMountpoint { root, path in
            let unknown = refusal {
                try Mounts.mount(type: "tmpfs", source: "none", at: path, options: [("sise", "1m")])
            }
            #expect(unknown?.description == "mount tmpfs 'none': tmpfs: Unknown parameter 'sise' (EINVAL)")
            let bad = refusal { try Mounts.mount(type: "tmpfs", source: "none", at: path, options: [("size", "x")]) }
            #expect(bad?.description.contains("size") == true)
            let type = refusal { try Mounts.mount(type: "ntfs99", source: "none", at: path) }
            #expect(type?.description == "mount ntfs99 'none': this kernel has no file system 'ntfs99' (ENODEV)")
            let device = refusal { try Mounts.mount(type: "ext4", source: "/dev/nonexistent", at: path) }
            #expect(device?.errno == .noSuchFileOrDirectory)
            #expect(device?.description.contains("'/dev/nonexistent'") == true)
            let place = refusal { try Mounts.mount(type: "tmpfs", source: "x", at: root.appending("nowhere")) }
            #expect(place?.errno == .noSuchFileOrDirectory)
            let left = try Mounts.entry(at: path)
            #expect(left == nil)
        }
    }

    @Test func checksOptionsWithoutMounting() throws {
        try Mounts.check(type: "ext4", options: [("data", "ordered"), ("noatime", nil), ("discard", nil)])
        let error = refusal { try Mounts.check(type: "ext4", options: [("dsicard", nil)]) }
        #expect(error?.description.contains("Unknown parameter 'dsicard'") == true)
        #expect(Mounts.knows(type: "tmpfs"))
        #expect(!Mounts.knows(type: "ntfs99"))
    }

    @Test func mountsAnImageThroughALoopDevice() async throws {
        try await withMountpoint { root, path in
            let image = root.appending("image,1 100%")
            let deadline = ContinuousClock.now + .seconds(60)
            try await HelperProgram("truncate", package: "coreutils").run(["-s", "16M", image.string], until: deadline)
            try await HelperProgram("mkfs.ext4", package: "e2fsprogs").run(["-q", image.string], until: deadline)
            let losetup = HelperProgram("losetup", package: "mount")
            let device = try await losetup.run(["--find", "--show", image.string], until: deadline)
                .filter { !$0.isNewline }
            do {
                try Mounts.mount(type: "ext4", source: device, at: path, options: [("errors", "remount-ro")])
                #expect(path.appending("lost+found").exists)
                #expect(try Mounts.entry(at: path)?.source == device)
                // In use: not without force.
                let descriptor = open(path.string, O_RDONLY | O_DIRECTORY)
                let busy = #expect(throws: SystemCallError.self) { try Mounts.unmount(path) }
                #expect(busy?.errno == .resourceBusy)
                try Mounts.unmount(path, detaching: true)
                close(descriptor)
                // What is on it is no xfs.
                let wrong = refusal { try Mounts.mount(type: "xfs", source: device, at: path) }
                #expect(wrong?.description.contains("'\(device)'") == true)
            } catch {
                try await losetup.run(["--detach", device], until: deadline)
                throw error
            }
            try await losetup.run(["--detach", device], until: deadline)
        }
    }

    @Test(arguments: [false, true])
    func bindsADirectoryWithWhatIsBelow(isRecursive: Bool) async throws {
        try await withMountpoint { root, path in
            let source = root.appending("source, 1%")
            try Directories.create(source.appending("below"), mode: 0o755)
            try Mounts.mount(type: "tmpfs", source: "x", at: source.appending("below"))
            defer { #expect(throws: Never.self) { try Mounts.unmount(source.appending("below")) } }
            try source.appending("below/file").write("x")
            try Mounts.bind(source, at: path, recursive: isRecursive, options: [("ro", nil), ("nodev", nil)])
            #expect(path.appending("below/file").exists == isRecursive)
            #expect(throws: (any Error).self) { try path.appending("new").write("x") }
            try source.appending("new").write("x")
            if isRecursive { try Mounts.unmount(path.appending("below")) }
        }
    }

    @Test func refusesBindsThatMakeNoSense() async throws {
        try await withMountpoint { root, path in
            let option = refusal { try Mounts.bind(root, at: path, options: [("size", "1m")]) }
            #expect(option?.description.contains("'size'") == true)
            let missing = refusal { try Mounts.bind(root.appending("missing"), at: path) }
            #expect(missing?.errno == .noSuchFileOrDirectory)
            let left = try Mounts.entry(at: path)
            #expect(left == nil)
        }
    }

    @Test func unmountsWhatIsNotMounted() async throws {
        try await withMountpoint { root, path in
            try Mounts.unmount(path)
            try Mounts.unmount(root.appending("nowhere"))
        }
    }
}
