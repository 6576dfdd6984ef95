// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite(.enabled(if: Machine.isRoot, "mounting needs root")) struct DirectoryUseTests {
    private func use(of directory: FilePath) throws -> DirectoryUse? {
        try DirectoryUse.first(of: directory, in: MountTable())
    }

    private func run(_ program: String, _ arguments: String...) async throws -> String {
        let package = program == "losetup" || program.hasPrefix("swap") ? "mount" : "util-linux"
        return try await HelperProgram(program, package: package).run(arguments, until: .now + .seconds(20))
    }

    /// Makes the directories `used` and `other`.
    private func withDirectories(
        _ body: (_ used: FilePath, _ other: FilePath) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { root in
            let (used, other) = (root.appending("used, too"), root.appending("other"))
            for directory in [used, other] { try Directories.create(directory, mode: 0o755) }
            try await body(used, other)
        }
    }

    @Test func noneWhereThereIsNone() async throws {
        try await withDirectories { used, _ in
            let none = try use(of: used)
            #expect(none == nil)
        }
    }

    @Test func whatIsMountedInIt() async throws {
        try await withDirectories { used, other in
            let place = used.appending("place")
            try Directories.create(place, mode: 0o755)
            try Mounts.bind(other, at: place)
            defer { try? Mounts.unmount(place, detaching: true) }
            guard case .mounted(let mount) = try use(of: used) else { Issue.record("it is not seen"); return }
            #expect(mount.mountpoint == place)
            #expect(try use(of: other) == nil)
        }
    }

    @Test(arguments: ["lowerdir", "upperdir"])
    func theLayerOfAnOverlay(option: String) async throws {
        try await withTemporaryDirectory { root in
            let names = ["lower", "lowest", "upper", "work", "merged"]
            for name in names { try Directories.create(root.appending("\(name)/in"), mode: 0o755) }
            let merged = root.appending("merged/in")
            let options = "lowerdir=\(root)/lower/in:\(root)/lowest,upperdir=\(root)/upper/in,workdir=\(root)/work/in"
            try #require(mount("overlay", merged.string, "overlay", 0, options) == 0)
            defer { try? Mounts.unmount(merged, detaching: true) }
            let used = root.appending(option == "lowerdir" ? "lower/in" : "upper")
            guard case .layer(let overlay) = try use(of: used) else { Issue.record("it is not seen"); return }
            #expect(overlay.mountpoint == merged)
            #expect(try use(of: root.appending("low")) == nil)
            #expect(try use(of: root.appending("lower/in/there")) == nil)
        }
    }

    @Test(.enabled(if: LoopDevice.obstacle == nil, "needs the kernel's module for loop devices"))
    func theFileOfALoopDevice() async throws {
        try await withDirectories { used, other in
            let file = used.appending("disk")
            try file.write(String(repeating: "\0", count: 1 << 20))
            let device = try await run("losetup", "--find", "--show", file.string).filter { !$0.isNewline }
            let seen = Result { (try use(of: used), try use(of: other)) }
            _ = try await run("losetup", "--detach", device)
            let uses = try seen.get()
            #expect(try uses.0 == .attached(#require(LoopDevice(path: FilePath(device))), file: file))
            #expect(uses.1 == nil)
        }
    }

    @Test func aFileThatIsSwappedTo() async throws {
        try await withDirectories { used, other in
            let file = used.appending("swap")
            try file.write(String(repeating: "\0", count: 1 << 20))
            chmod(file.string, 0o600)
            _ = try await run("mkswap", file.string)
            _ = try await run("swapon", file.string)
            let seen = Result { (try use(of: used), try use(of: other)) }
            _ = try await run("swapoff", file.string)
            let uses = try seen.get()
            #expect(uses.0 == .swap(file: file))
            #expect(uses.1 == nil)
        }
    }
}
