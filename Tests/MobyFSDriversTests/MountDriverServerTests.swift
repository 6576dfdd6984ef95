// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

@Suite(
    .enabled(if: Machine.isRoot, "mounting needs root"),
    .enabled(if: MountServers.has("sshd", "sshfs", "openssl"), "needs openssh-server, sshfs and openssl"), .serialized)
struct SSHFSMountTests {
    @Test func mountsAFolderOfAHostWithAKey() async throws {
        try await SSHServer.with { server in
            try await withMountDriver { fixture in
                try server.root.appending("share/file").write("from afar")
                let options = [
                    "type": "fuse.sshfs", "device": "root@127.0.0.1:\(server.root)/share",
                    "o": "\(server.trust),IdentityFile=\(server.key),PasswordAuthentication=no,_netdev",
                ]
                for _ in 0..<2 {
                    let path = try await fixture.mount(options)
                    #expect(try path.appending("file").text == "from afar")
                    try path.appending("new, 100%").write("back")
                }
                #expect(try fixture.entry?.type == "fuse.sshfs")
                #expect(try server.root.appending("share/new, 100%").text == "back")
                try await fixture.unmount(options)
                #expect(!fixture.mounts.exists)
            }
        }
    }

    @Test func mountsAsVieuxSSHFSDoesWithAPasswordThatNobodySees() async throws {
        try await SSHServer.with { server in
            try await withMountDriver { fixture in
                try server.root.appending("share/file").write("from afar")
                let options = [
                    "sshcmd": "root@127.0.0.1:\(server.root)/share", "password": SSHServer.password,
                    "port": "\(server.port)", "allow_other": "", "UserKnownHostsFile": "/dev/null",
                    "PubkeyAuthentication": "no", "uid": "1234",
                ]
                let path = try await fixture.mount(options)
                #expect(try path.appending("file").text == "from afar")
                #expect(path.appending("file").attributes.owner == 1234)
                let seen = try await MountServers.shell(
                    "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null || true")
                #expect(seen.contains("sshfs") && !seen.contains(SSHServer.password))
                try await fixture.unmount(options)

                try fixture.root.appending("credentials/nas").write("username=root\npassword=\(SSHServer.password)\n")
                var other = options.merging(["credentials": "nas", "sshcmd": "127.0.0.1:\(server.root)/share"]) { $1 }
                other["password"] = nil
                try await fixture.mount(other)
                try await fixture.unmount(other)
            }
        }
    }

    @Test func saysWhyAServerDoesNotLetItIn() async throws {
        try await SSHServer.with { server in
            try await withMountDriver { fixture in
                let options = [
                    "sshcmd": "root@127.0.0.1:\(server.root)/share", "port": "\(server.port)",
                    "UserKnownHostsFile": "/dev/null", "PubkeyAuthentication": "no",
                ]
                let wrong = try await fixture.refusal(options.merging(["password": "wrong horse"]) { $1 })
                #expect(wrong.contains("Permission denied") && !wrong.contains("wrong horse"), "\(wrong)")
                let none = try await fixture.refusal(options)
                #expect(none.contains("Permission denied") && none.contains("password="), "\(none)")
                let unknown = try await fixture.refusal(
                    options.merging(["StrictHostKeyChecking": "yes", "password": SSHServer.password]) { $1 })
                #expect(unknown.contains("add o=StrictHostKeyChecking=accept-new"), "\(unknown)")
                let folder = try await fixture.refusal(
                    options.merging(["password": SSHServer.password, "sshcmd": "root@127.0.0.1:/nonexistent"]) { $1 })
                #expect(folder.contains("No such file or directory (ENOENT)"), "\(folder)")
            }
        }
        try await withMountDriver { fixture in
            let text = try await fixture.refusal(["sshcmd": "root@127.0.0.1:/", "port": "1"])
            #expect(text.contains("Connection refused"), "\(text)")
            #expect(text.contains("source 'root@127.0.0.1:/'") && text.contains("port=1"), "\(text)")
        }
    }

    /// A server that is behind a firewall, or hangs.
    @Test func givesUpOnAServerThatDoesNotAnswer() async throws {
        try await withTemporaryDirectory { root in
            let port = try MountServers.freePort()
            let descriptor = try check(socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0), "socket")
            defer { close(descriptor) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            let size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let result = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
            }
            try check(result, "bind")
            // It is connected to, and never says a word.
            try check(listen(descriptor, 8), "listen")
            try await withMountDriver { fixture in
                for password in ["", "secret"] {
                    var options = ["sshcmd": "root@127.0.0.1:/", "port": "\(port)"]
                    if !password.isEmpty { options["password"] = password }
                    let text = try await fixture.refusal(options, within: .seconds(2))
                    #expect(text.contains("sshfs did not end within 2 s and was killed"), "\(text)")
                    let left = try await MountServers.shell("pgrep -f 'ssh.*[p]ort=\(port)' || true")
                    #expect(left.isEmpty, "no ssh is left")
                }
            }
        }
    }

    /// With TERM it unmounts what it serves, with KILL that stays; the container has it in either case.
    @Test(arguments: ["-TERM", "-9"])
    func itIsToldThatTheProgramHasEnded(by kind: String) async throws {
        try await SSHServer.with { server in
            try await withVolumeManager(drivers: [MountDriver(reserved: [])]) { fixture in
                let volumes = fixture.volumes
                try await volumes.create(
                    "db",
                    options: [
                        "type": "fuse.sshfs", "device": "root@127.0.0.1:\(server.root)/share",
                        "o": "\(server.trust),IdentityFile=\(server.key)",
                    ])
                let path = try await volumes.mount("db", id: "c", for: nil)
                await volumes.checkCondition()
                #expect(try volumes.describe("db").trouble == nil)
                try await signal(kind, programBelow: fixture.runtime)
                try await eventually("it is seen to have ended") {
                    await volumes.checkCondition()
                    return try volumes.describe("db").trouble?.contains("(fuse.sshfs) has ended: restart") == true
                }
                #expect(try await volumes.findings().map(\.kind) == [.data])
                let usage = try await volumes.usage(of: ["db"])[0].usage
                #expect(throws: (any Error).self) { try usage.get() }

                _ = try await volumes.mount("db", id: "c2", for: nil)
                await volumes.checkCondition()
                #expect(try volumes.describe("db").trouble == nil)
                for id in ["c", "c2"] { try await volumes.unmount("db", id: id) }
                #expect(!path.exists)
            }
        }
    }

    @Test func mountsAnewWhatHasCrashed() async throws {
        try await SSHServer.with { server in
            try await withMountDriver { fixture in
                try server.root.appending("share/file").write("from afar")
                let options = [
                    "type": "fuse.sshfs", "device": "root@127.0.0.1:\(server.root)/share",
                    "o": "\(server.trust),IdentityFile=\(server.key)",
                ]
                let path = try await fixture.mount(options)
                try await signal("-9", programBelow: fixture.mounts)
                // Until the kernel has noticed.
                while path.appending("file").exists { sched_yield() }
                try await fixture.mount(options)
                #expect(try path.appending("file").text == "from afar")
                // And unmounting what has crashed works too.
                try await signal("-9", programBelow: fixture.mounts)
                while path.appending("file").exists { sched_yield() }
                try await fixture.unmount(options)
                #expect(!fixture.mounts.exists)
            }
        }
    }

    @Test func unmountsWhatHangs() async throws {
        try await SSHServer.with { server in
            try await withMountDriver { fixture in
                let options = [
                    "type": "fuse.sshfs", "device": "root@127.0.0.1:\(server.root)/share",
                    "o": "\(server.trust),IdentityFile=\(server.key)",
                ]
                try await fixture.mount(options)
                try await signal("-STOP", programBelow: fixture.mounts)
                // Mounted is mounted, whoever hangs.
                let start = ContinuousClock.now
                try await fixture.mount(options)
                try await fixture.unmount(options, within: .seconds(2))
                #expect(.now - start < .seconds(60))
                #expect(try fixture.entry == nil)
                try await signal("-CONT", programBelow: fixture.mounts)
            }
        }
    }

    /// However often it is asked for, and whoever has mounted it.
    @Test func losesOneThreadToWhatHangs() async throws {
        try await SSHServer.with { server in
            try await withMountDriver { fixture in
                let source = "root@127.0.0.1:\(server.root)/share"
                let options = ["type": "fuse.sshfs", "device": source]
                try Mountpoint(fixture.mounts).prepare()
                // Not by the driver, so that it has to ask the kernel.
                try await MountServers.shell(
                    "sshfs \(source) \(fixture.mounts) -o \(server.trust),IdentityFile=\(server.key)")
                try await signal("-STOP", programBelow: fixture.mounts)
                let start = ContinuousClock.now
                for _ in 0..<40 { try await fixture.mount(options) }
                #expect(.now - start < .seconds(20))
                #expect(try Self.hangingThreads == 1)
                // A folder of it cannot be looked at, and is not handed out unseen.
                let error = await #expect(throws: VolumeError.self) {
                    try await fixture.mount(options.merging(["create": "true"]) { $1 }, within: .seconds(2))
                }
                #expect(error?.message.contains("an earlier attempt has had no answer yet") == true)
                #expect(try Self.hangingThreads == 1)
                try await withMountDriver { other in
                    let options = ["type": "none", "device": "\(server.root)", "o": "bind"]
                    try await other.mount(options)
                    try await other.unmount(options)
                }
                try await signal("-CONT", programBelow: fixture.mounts)
                try await fixture.mount(options)
                while try Self.hangingThreads > 0 { sched_yield() }
                try await fixture.unmount(options)
            }
        }
    }

    /// How many threads of this process wait for the program that serves a FUSE file system.
    private static var hangingThreads: Int {
        get throws {
            try Directories.entries(of: "/proc/self/task").count { thread in
                // It may have ended meanwhile.
                let stack = try? DurableFile.read(FilePath("/proc/self/task/\(thread)/stack"), limit: 65536)
                return stack.map { String(decoding: $0, as: UTF8.self).contains("fuse_") } ?? false
            }
        }
    }
}

/// Sends a signal to the program that serves a mount.
private func signal(_ signal: String, programBelow path: FilePath) async throws {
    try await HelperProgram("pkill", package: "procps").run(
        [signal, "-f", "^sshfs .*\(path)|/sshfs .*\(path)"], until: .now + .seconds(90))
}

@Suite(
    .enabled(if: Machine.isRoot, "mounting needs root"),
    .enabled(if: GlusterServer.isHere, "needs glusterfs-server and glusterfs-client"), .serialized)
struct GlusterFSMountTests {
    @Test func mountsAVolumeOfTwoBricks() async throws {
        try await GlusterServer.with { server in
            try await withMountDriver { fixture in
                let options = ["type": "glusterfs", "device": "\(server.address):/vol", "o": "log-level=WARNING"]
                for _ in 0..<2 {
                    let path = try await fixture.mount(options.merging(["mode": "0770", "uid": "1234"]) { $1 })
                    try path.appending("file").write("twice")
                    #expect(path.attributes == (0o770, 1234, 0))
                }
                #expect(try server.root.appending("brick1/file").text == "twice")
                #expect(try server.root.appending("brick2/file").text == "twice")
                try await fixture.unmount(options)
                #expect(!fixture.mounts.exists)
                let text = try await fixture.refusal(options.merging(["device": "\(server.address):/nope"]) { $1 })
                #expect(text.contains("mount.glusterfs"), "\(text)")
                #expect(text.contains("failed to fetch volume file") || text.contains("nope"), "\(text)")
            }
        }
    }
}

@Suite(
    .enabled(if: Machine.isRoot, "mounting needs root"),
    .enabled(if: MountServers.has("rclone", "fusermount3"), "needs rclone and fuse3"))
struct RcloneMountTests {
    /// Under its own name it takes other arguments.
    @Test func mountsARemoteOfRclone() async throws {
        try await withMountDriver { fixture in
            let source = fixture.root.appending("source")
            try Directories.create(source, mode: 0o755)
            try source.appending("file").write("from afar")
            let options = ["type": "fuse.rclone", "device": ":local:\(source)", "o": "vfs-cache-mode=off,ro"]
            let path = try await fixture.mount(options)
            #expect(try path.appending("file").text == "from afar")
            try await fixture.mount(options)
            try await fixture.unmount(options)
            #expect(!fixture.mounts.exists)
        }
    }
}
