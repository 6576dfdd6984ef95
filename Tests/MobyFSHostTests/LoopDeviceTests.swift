// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite(.enabled(if: Machine.isRoot && LoopDevice.obstacle == nil, "loop devices need root and the kernel's module"))
struct LoopDeviceTests {
    private func withImage(
        bytes: off_t = 1 << 20, _ body: (_ root: FilePath, _ image: FilePath) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { root in
            let image = root.appending("image")
            try image.write("")
            try #require(truncate(image.string, bytes) == 0)
            try await body(root, image)
        }
    }

    /// How many bytes the kernel says that the device has.
    private func size(of device: LoopDevice) throws -> Int? {
        try Int(device.attributes.appending("size").text.filter(\.isNumber)).map { $0 * 512 }
    }

    /// Whoever looks at the devices just now has each open for a moment, and the last to close one detaches it.
    private func expectDetached(_ image: FilePath) async throws {
        try await eventually("'\(image)' is detached") { try LoopDevice.attached(to: FileID(of: image)) == nil }
    }

    @Test func showsTheFileForAsLongAsItIsUsed() async throws {
        try await withImage { _, image in
            let file = try FileID(of: image)
            let device = try LoopDevice.withAttached(image) { device in
                let status = try #require(try device.status())
                #expect(status.file == file)
                #expect(status.isWhole && status.isAutoclear)
                let (found, bytes) = try (LoopDevice.attached(to: file), size(of: device))
                #expect(found == device)
                #expect(bytes == 1 << 20)
                return device
            }
            try await expectDetached(image)
            #expect(try device.status()?.file != file)
        }
    }

    @Test func readsAndWritesTheFile() async throws {
        try await withImage { _, image in
            try LoopDevice.withAttached(image) { device in
                let descriptor = try FileDescriptor.open(device.path, .writeOnly)
                try descriptor.closeAfter {
                    _ = try descriptor.writeAll(Array("through the device".utf8))
                    try #require(fsync(descriptor.rawValue) == 0)
                }
            }
            #expect(try image.text.hasPrefix("through the device"))
        }
    }

    /// Two devices for one file would be two caches of one file system.
    @Test func givesAFileOneDeviceOnly() async throws {
        try await withImage { root, image in
            let alias = root.appending("alias")
            try #require(link(image.string, alias.string) == 0)
            try LoopDevice.withAttached(image) { first in
                try LoopDevice.withAttached(alias) { second in #expect(first == second) }
                // The second use is over, the first is not.
                let status = try first.status()
                #expect(status != nil)
            }
        }
    }

    @Test func takesOverADeviceThatSomebodyForgot() async throws {
        try await withImage { _, image in
            let file = try FileID(of: image)
            try await run("losetup", "--find", image.string)
            let device = try #require(try LoopDevice.attached(to: file))
            #expect(try device.status()?.isAutoclear == false)
            try LoopDevice.withAttached(image) { #expect($0 == device) }
            try await expectDetached(image)
        }
    }

    @Test func refusesAFileOfWhichADeviceShowsAPart() async throws {
        try await withImage { _, image in
            try await run("losetup", "--find", "--offset", "4096", image.string)
            let device = try #require(try LoopDevice.attached(to: FileID(of: image)))
            #expect(throws: LoopDeviceError.attachedOtherwise(device)) { try LoopDevice.withAttached(image) { _ in } }
            try await run("losetup", "--detach", device.path.string)
            try await expectDetached(image)
            try LoopDevice.withAttached(image) { _ in }
        }
    }

    @Test func keepsTheFileWhileItIsMounted() async throws {
        try await withImage(bytes: 8 << 20) { root, image in
            try await run("mkfs.ext4", "-q", "-F", image.string)
            let mountpoint = root.appending("mnt")
            try Directories.create(mountpoint, mode: 0o755)
            let device = try LoopDevice.withAttached(image) { device in
                try check(mount(device.path.string, mountpoint.string, "ext4", 0, nil), "mount")
                return device
            }
            #expect(try device.status()?.file == FileID(of: image))
            try #require(umount(mountpoint.string) == 0)
            try await expectDetached(image)
        }
    }

    @Test func growsWithTheFile() async throws {
        try await withImage { _, image in
            try LoopDevice.withAttached(image) { device in
                try #require(truncate(image.string, 4 << 20) == 0)
                let before = try size(of: device)
                try device.refreshSize()
                let after = try size(of: device)
                #expect(before == 1 << 20)
                #expect(after == 4 << 20)
            }
        }
    }

    /// All ask the kernel for a free number at once, and it tells many of them the same.
    @Test func attachesManyAtOnce() async throws {
        try await withTemporaryDirectory { root in
            let devices = try await withThrowingTaskGroup(of: Set<LoopDevice>.self) { group in
                for index in 0..<32 {
                    let image = root.appending("image\(index)")
                    try image.write("")
                    try #require(truncate(image.string, 1 << 20) == 0)
                    group.addTask {
                        try await BlockingWork.run {
                            var seen: Set<LoopDevice> = []
                            for _ in 0..<8 {
                                try LoopDevice.withAttached(image) { device in
                                    let (status, file) = try (device.status(), FileID(of: image))
                                    #expect(status?.file == file)
                                    seen.insert(device)
                                }
                            }
                            return seen
                        }
                    }
                }
                return try await group.reduce(into: Set()) { $0.formUnion($1) }
            }
            #expect(!devices.isEmpty)
            for index in 0..<32 { try await expectDetached(root.appending("image\(index)")) }
        }
    }

    /// It is the descriptor that keeps the file on the device, and it goes with its process.
    @Test func leavesNothingBehindWhenTheProcessIsKilled() async throws {
        try await withImage { _, image in
            let (device, child) = try LoopDevice.withAttached(image) { device in
                (device, try process(holding: device.path))
            }
            #expect(try device.status()?.file == FileID(of: image))
            kill(child, SIGKILL)
            var status: CInt = 0
            try #require(waitpid(child, &status, 0) == child)
            try await expectDetached(image)
        }
    }

    /// Starts a process that has a file open.
    private func process(holding path: FilePath) throws -> pid_t {
        let (reading, writing) = try FileDescriptor.pipe()
        defer { close(reading.rawValue) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, writing.rawValue, 1)
        var child = pid_t()
        let words = ["sh", "-c", "exec 9<>\"$0\" && echo open && exec sleep 600 >&-", path.string]
        let pointers = words.map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        let failure = posix_spawn(&child, "/bin/sh", &actions, nil, pointers + [nil], nil)
        close(writing.rawValue)
        try #require(failure == 0)
        var bytes = [UInt8](repeating: 0, count: 5)
        #expect(try bytes.withUnsafeMutableBytes { try reading.read(into: $0) } == 5)
        return child
    }

    /// In a container /dev may lack the nodes of devices that the kernel has.
    @Test func makesANodeThatIsMissing() async throws {
        try await withImage { _, image in
            let path = try LoopDevice.withAttached(image) { $0.path }
            var before = stat()
            try #require(stat(path.string, &before) == 0)
            try #require(unlink(path.string) == 0)
            // Whoever is next to want this number makes the node, most likely this.
            _ = try LoopDevice.withAttached(image) { $0 }
            if !path.exists { try #require(mknod(path.string, before.st_mode, before.st_rdev) == 0) }
            var after = stat()
            try #require(stat(path.string, &after) == 0)
            #expect(after.st_rdev == before.st_rdev)
            chown(path.string, before.st_uid, before.st_gid)
            chmod(path.string, before.st_mode & 0o7777)
        }
    }

    private func run(_ program: String, _ arguments: String...) async throws {
        try await HelperProgram(program, package: "util-linux").run(arguments, until: .now + .seconds(60))
    }

    @Test(arguments: ["/dev/loop", "/dev/loop-1", "/dev/loop+1", "/dev/loop01", "/dev/loop1p1", "/srv/loop1", "loop1"])
    func knowsWhatIsNoLoopDevice(path: String) {
        #expect(LoopDevice(path: FilePath(path)) == nil)
    }
}
