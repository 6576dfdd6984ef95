// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import Subprocess
import SystemPackage
import Testing

/// The built daemon as a process: start, stop, crash, reload, and what it refuses.
@Suite struct DaemonTests {
    @Test func knowsItsVolumesAfterACrash() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                let created = try await daemon.call("VolumeDriver.Create", #"{"Name":"v","Opts":{"mode":"0700"}}"#)
                #expect(created == "{}")
                daemon.send(SIGKILL)
            }
            try await withDaemon(in: root) { daemon in
                let described = try await daemon.call("VolumeDriver.Get", #"{"Name":"v"}"#)
                #expect(described.contains(#""mode":"0700""#))
            }
            #expect(!root.appending("s.sock").exists)
        }
    }

    /// A thread of a daemon that waits for a server of FUSE keeps the daemon from ending, be it killed.
    @Test(
        .enabled(
            if: geteuid() == 0 && HelperProgram("sshfs", package: "sshfs").locate() != nil, "needs root and sshfs"),
        .enabled(
            "needs a file system of type fusectl at /sys/fs/fuse/connections, as systemd mounts it",
            { try MountTable().entries.contains { $0.type == "fusectl" } }))
    func startsThoughTheOneBeforeCannotEnd() async throws {
        try await withTemporaryDirectory { root in
            let server = try MuteServer()
            let options = """
                "sshcmd":"root@127.0.0.1:/","port":"\(server.port)","delay_connect":"","create":"true"
                """
            try await withDaemon(in: root) { daemon in
                let created = try await daemon.call("VolumeDriver.Create", #"{"Name":"far","Opts":{\#(options)}}"#)
                #expect(created == "{}")
                _ = try await daemon.call("VolumeDriver.Create", #"{"Name":"near"}"#)
                let caller = try daemon.connect()
                try caller.send(Wire.post("/VolumeDriver.Mount", #"{"Name":"far","ID":"i"}"#))
                let mounts = daemon.runtime.appending("mounts")
                try await eventually("the daemon waits for the server") {
                    try !FUSEConnection.waitedFor(below: mounts).isEmpty
                }
                daemon.send(SIGKILL)
                // Whatever comes, nothing is left that waits.
                defer { FUSEConnection.mark(of: mounts.appending("far")).killBearers() }
                try await withDaemon(in: root) { next in
                    #expect(try await next.call("VolumeDriver.Get", #"{"Name":"near"}"#).contains(#""Name":"near""#))
                    #expect(try next.output.contains("a daemon that was killed cannot end"))
                    _ = try await next.call("VolumeDriver.Remove", #"{"Name":"far"}"#)
                }
            }
        }
    }

    @Test func refusesDataThatAnotherDaemonServesNamingIt() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { first in
                let second = try await runToEnd(
                    ["start"] + RunningDaemon.arguments(in: root).dropFirst() + ["--listen", "unix://\(root)/2.sock"])
                #expect(second.status != 0)
                #expect(
                    second.output.contains("process \(first.processID) serves volumes with '\(root)/data' already"))
                #expect(try await first.call("VolumeDriver.List", "") == #"{"Volumes":[]}"#)
            }
        }
    }

    @Test(.enabled(if: Machine.isRoot, "mounting needs root"))
    func startsOnDataThatCannotBeWrittenAndForgetsNothing() async throws {
        try await withTemporaryDirectory { root in
            let data = root.appending("data")
            try await withDaemon(in: root) { daemon in
                _ = try await daemon.call("VolumeDriver.Create", #"{"Name":"v"}"#)
            }
            try #require(mount(data.string, data.string, nil, UInt(MS_BIND), nil) == 0)
            defer { umount2(data.string, CInt(MNT_DETACH)) }
            try #require(mount(nil, data.string, nil, UInt(MS_BIND | MS_REMOUNT | MS_RDONLY), nil) == 0)
            try await withDaemon(in: root) { daemon in
                #expect(try await daemon.call("VolumeDriver.Get", #"{"Name":"v"}"#).contains("\"Volume\""))
                let refused = try await daemon.call("VolumeDriver.Create", #"{"Name":"w"}"#)
                #expect(refused.contains("Read-only file system"), "\(refused)")
                #expect(
                    try await daemon.call("VolumeDriver.Remove", #"{"Name":"v"}"#).contains("Read-only file system"))
                #expect(try await daemon.call("VolumeDriver.Get", #"{"Name":"v"}"#).contains("\"Volume\""))
            }
        }
    }

    /// A data folder that cannot be had: the engine must not take any volume for gone.
    @Test func startsWithoutDataAndHealsWhenTheyAreBack() async throws {
        try await withTemporaryDirectory { root in
            try root.appending("data").write("in the way")
            try await withDaemon(in: root) { daemon in
                let wire = try daemon.connect()
                try wire.send(Wire.post("/VolumeDriver.Get", #"{"Name":"v"}"#))
                #expect(try await wire.receiveAll().isEmpty)
                #expect(try await daemon.call("VolumeDriver.List", "").hasPrefix("{\"Err\":"))
                #expect(try await daemon.call("VolumeDriver.Create", #"{"Name":"v"}"#).contains("nothing was changed"))
                try Files.unlink(daemon.data)
                let created = try await daemon.call("VolumeDriver.Create", #"{"Name":"v"}"#)
                #expect(created == "{}")
                let found = try await daemon.call("VolumeDriver.Get", #"{"Name":"v"}"#)
                #expect(found.contains("\"Volume\""))
            }
        }
    }

    @Test func servesAPortAndWritesTheSpecFileForAsLong() async throws {
        try await withTemporaryDirectory { root in
            let spec = root.appending("docker/plugins/mobyfs.spec")
            try await withDaemon(in: root, arguments: ["--port", "0"]) { daemon in
                let address = try spec.text
                #expect(address.hasPrefix("tcp://127.0.0.1:"))
                let port = try #require(UInt16(address.dropFirst("tcp://127.0.0.1:".count).dropLast()))
                let answer = try await Wire(port: port).exchange(Wire.post("/Plugin.Activate", ""))
                #expect(answer.hasSuffix(#"{"Implements":["VolumeDriver"]}"#))
                #expect(!daemon.socket.exists)
            }
            #expect(!spec.exists)
        }
    }

    /// A spec file with a port that nobody listens on costs each `docker volume ls` 15 seconds.
    @Test func bringsNoSpecFileBackFromBeforeACrash() async throws {
        try await withTemporaryDirectory { root in
            let spec = root.appending("docker/plugins/mobyfs.spec")
            try await withDaemon(in: root, arguments: ["--port", "0"]) { daemon in daemon.send(SIGKILL) }
            #expect(spec.exists)
            try await withDaemon(in: root, arguments: ["--port", "0"]) { _ in }
            #expect(!spec.exists)
        }
    }

    @Test func refusesARuntimeFolderThatAnotherDaemonHas() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { first in
                let second = try await runToEnd([
                    "start", "--config", "/dev/null", "--data-dir", "\(root)/other", "--runtime-dir",
                    first.runtime.string,
                    "--listen", "unix://\(root)/2.sock",
                ])
                #expect(second.status != 0)
                #expect(second.output.contains("choose another folder with --runtime-dir"))
            }
        }
    }

    /// Remove has moved the volume when the disk fails to confirm it: what is answered is what is so.
    @Test(.enabled(if: FilePath("/usr/bin/strace").exists, "needs strace, to make fsync fail"))
    func aRemoveThatFailsLeavesTheVolumeUsable() async throws {
        try await withTemporaryDirectory { root in
            try Directories.create(root.appending("data/trash"), mode: 0o700)
            let launcher = [
                "/usr/bin/strace", "-D", "-f", "-qq", "-o", "/dev/null", "-P", "\(root)/data/trash", "-e",
                "trace=fsync",
                "-e",
                "inject=fsync:error=EIO",
            ]
            try await withDaemon(in: root, launcher: launcher) { daemon in
                _ = try await daemon.call("VolumeDriver.Create", #"{"Name":"v"}"#)
                #expect(try await daemon.call("VolumeDriver.Remove", #"{"Name":"v"}"#).contains("Input/output error"))
                #expect(try await daemon.call("VolumeDriver.Mount", #"{"Name":"v","ID":"i"}"#).contains("Mountpoint"))
            }
        }
    }

    @Test func readsItsConfigurationAgainAndKeepsTheOldOneIfTheNewIsBad() async throws {
        try await withTemporaryDirectory { root in
            let file = root.appending("mobyfs.env")
            try file.write("MOBYFS_LOG_LEVEL=notice\n")
            try await withDaemon(in: root, arguments: ["--config", file.string]) { daemon in
                _ = try await daemon.call("VolumeDriver.Create", #"{"Name":"quiet"}"#)
                try file.write("MOBYFS_LOG_LEVEL=info\nMOBYFS_PORT=8080\n")
                daemon.send(SIGHUP)
                try await daemon.wait("a reload") { try daemon.output.contains("MOBYFS_LOG_LEVEL: notice → info") }
                #expect(try daemon.output.contains("MOBYFS_PORT: not set → 8080 (at the next start)"))
                try file.write("MOBYFS_LOG_LEVEL=loud\n")
                daemon.send(SIGHUP)
                try await daemon.wait("a complaint") { try daemon.output.contains("'loud'") }
                _ = try await daemon.call("VolumeDriver.Create", #"{"Name":"logged"}"#)
                #expect(try daemon.output.contains("volume.name=logged"))
                #expect(try !daemon.output.contains("volume.name=quiet"))
            }
        }
    }

    @Test(arguments: [
        (["--help"], 0, "USAGE: mobyfs"), (["--version"], 0, "0."), (["start", "--help"], 0, "--data-dir"),
        (["start", "--log-level", "loud"], 2, "MOBYFS_LOG_LEVEL='loud' (command line) is not one of"),
        (["start", "--port", "high"], 2, "MOBYFS_PORT='high' (command line) is not a port"),
        (["start", "--lisen", "x"], 2, "--listen"), (["start", "--config", "/nowhere"], 2, "/nowhere"),
        (["start", "--check", "--config", "/dev/null"], 0, ""),
        (
            ["start", "--check", "--config", "/dev/null", "--name", "nas: fs=ntfs"], 2,
            "options of 'nas': option fs='ntfs'"
        ),
        (["start", "--check", "--config", "/dev/null", "--tls-cert", "/nowhere"], 2, "MOBYFS_TLS_KEY is not set"),
        (["spec", "write", "--address", "/run/x.sock"], 2, "'/run/x.sock' has no scheme"),
        (["spec", "write", "--address", "https://h:1", "--tls-cert", "c"], 2, "needs --tls-key"),
        (["spec", "write", "--name", "a//b"], 2, "is no name for a plugin"),
    ])
    func saysHowItIsUsed(arguments: [String], status: Int32, text: String) async throws {
        let result = try await runToEnd(arguments)
        #expect(result.status == status)
        #expect(result.output.contains(text), "\(result.output)")
    }

    @Test func writesAndRemovesItsSpecFileFromTheCommandLine() async throws {
        try await withTemporaryDirectory { root in
            let file = root.appending("mobyfs.spec")
            #expect(try await runToEnd(["spec", "write", "--spec-dir", root.string]).status == 0)
            #expect(try file.text == "unix:///run/mobyfs/mobyfs.sock\n")
            let shown = try await runToEnd(["spec", "show", "--spec-dir", root.string])
            #expect(
                shown.output.contains(
                    "\(file) unix:///run/mobyfs/mobyfs.sock (written by mobyfs, engines take this one)"))
            #expect(try await runToEnd(["spec", "remove", "--spec-dir", root.string]).status == 0)
            #expect(!file.exists)
            try file.write("unix:///elsewhere.sock\n")
            let refused = try await runToEnd(["spec", "write", "--spec-dir", root.string])
            #expect(refused.status != 0)
            #expect(refused.output.contains("was not written by mobyfs"))
            let left = try await runToEnd(["spec", "remove", "--spec-dir", root.string])
            #expect(left.status == 1)
            #expect(left.output.contains("'\(file)' stays, for mobyfs did not write it"), "\(left.output)")
            #expect(try file.text == "unix:///elsewhere.sock\n")
            #expect(try await runToEnd(["spec", "remove", "--force", "--spec-dir", root.string]).status == 0)
            let gone = try await runToEnd(["spec", "remove", "--spec-dir", root.string])
            #expect(gone.status == 0)
            #expect(gone.output.isEmpty)
            let unknown = try await runToEnd(["spec", "show", "--name", "mobyfs-none", "--spec-dir", root.string])
            #expect(unknown.status == 1)
            #expect(unknown.output.contains("no plugin 'mobyfs-none'"))
        }
    }

    /// An engine would wait for a daemon that cannot start.
    @Test func removesItsSpecFileWhateverElseIsConfigured() async throws {
        try await withTemporaryDirectory { root in
            #expect(try await runToEnd(["spec", "write", "--spec-dir", root.string]).status == 0)
            func configured(_ command: String) async throws -> (status: TerminationStatus, output: String?) {
                let result = try await run(
                    .path(RunningDaemon.binary), arguments: ["spec", command],
                    environment: .inherit.updating(["MOBYFS_SPEC_DIR": root.string, "MOBYFS_PORT": "none"]),
                    output: .string(limit: 1 << 20), error: .combinedWithOutput)
                return (result.terminationStatus, result.standardOutput)
            }
            let shown = try await configured("show")
            #expect(shown.status == .exited(2))
            #expect(shown.output?.hasPrefix("mobyfs: MOBYFS_PORT='none' (environment) is not a port") == true)
            #expect(try await configured("remove").status == .exited(0))
            #expect(!root.appending("mobyfs.spec").exists)
        }
    }

    @Test func saysThatASpecFileStaysForItsAddress() async throws {
        try await withTemporaryDirectory { root in
            let place = ["--spec-dir", root.string, "--address"]
            #expect(try await runToEnd(["spec", "write"] + place + ["unix:///a.sock"]).status == 0)
            let left = try await runToEnd(["spec", "remove"] + place + ["unix:///b.sock"])
            #expect(left.status == 1)
            #expect(left.output.contains("it says another address: unix:///a.sock"), "\(left.output)")
            #expect(try await runToEnd(["spec", "remove"] + place + ["unix:///a.sock"]).status == 0)
            #expect(!root.appending("mobyfs.spec").exists)
        }
    }
}
