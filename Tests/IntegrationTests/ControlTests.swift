// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Glibc
import MobyFSTesting
import Subprocess
import SystemPackage
import Testing

/// The control socket of the built daemon, and the commands that call it.
@Suite(.timeLimit(.minutes(2))) struct ControlTests {
    private func mobyfs(_ arguments: String..., in root: FilePath, isRoot: Bool = true) async throws -> CommandOutcome {
        try await CommandOutcome(
            of: arguments + ["--config", "/dev/null", "--runtime-dir", "\(root)/run"],
            throughProgram: isRoot ? [] : Self.asNobody)
    }

    @Test func showsTheDriversOfTheDaemon() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { _ in
                let table = try await mobyfs("driver", "ls", in: root)
                #expect(table.status == 0)
                #expect(table.output.contains("NAME "))
                #expect(table.output.contains("directory "))
                let names = try await mobyfs("driver", "ls", "-q", in: root)
                #expect(names.output.split(separator: "\n").contains("directory"))
                let json = try await mobyfs("driver", "ls", "--format", "json", in: root)
                let drivers = try #require(try JSONValue(parsing: Array(json.output.utf8)).array)
                let told = drivers.compactMap { $0["name"]?.string }.joined(separator: "\n") + "\n"
                #expect(told == names.output)
                let one = try await mobyfs("driver", "inspect", "directory", "--format=json", in: root)
                let inspected = try JSONValue(parsing: Array(one.output.utf8))
                #expect(drivers.contains(inspected))
                let text = try await mobyfs("driver", "inspect", "directory", in: root)
                #expect(text.output.hasPrefix("directory: "))
                #expect(text.output.contains("  mountpoint\n"))
                let unknown = try await mobyfs("driver", "inspect", "directry", in: root)
                #expect(unknown.status == 1)
                #expect(unknown.complaints.contains("did you mean 'directory'"))
            }
        }
    }

    @Test func resizesAVolumeAndSaysWhatThatMeans() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                let request = #"{"Name":"data","Opts":{"type":"tmpfs","size":"64M"}}"#
                #expect(try await daemon.call("VolumeDriver.Create", request) == "{}")
                let resized = try await mobyfs("volume", "resize", "data", "0.5g", in: root)
                #expect(resized.output == "data: 512 MiB (536870912 bytes)\n", "\(resized.complaints)")
                #expect(resized.status == 0)
                let inspected = try await daemon.call("VolumeDriver.Get", #"{"Name":"data"}"#)
                #expect(inspected.contains(#""size":"512MiB""#), "\(inspected)")
                // The wish that it was made with is no other wish.
                #expect(try await daemon.call("VolumeDriver.Create", request) == "{}")
                let small = try await mobyfs("volume", "resize", "data", "10", in: root)
                #expect(small.status == 1)
                #expect(small.complaints.contains("option size='10' means 10 bytes: the minimum is"))
                #expect(small.output.isEmpty)
            }
        }
    }

    @Test func showsWhatTheDaemonSaysToAResize() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                let missing = try await mobyfs("volume", "resize", "data", "10G", in: root)
                #expect(missing.status == 1)
                #expect(missing.complaints == "mobyfs: no such volume: 'data'\n")
                #expect(missing.output.isEmpty)
            }
        }
    }

    @Test func saysThatTheDaemonIsNotRunningAndHowToStartIt() async throws {
        try await withTemporaryDirectory { root in
            let never = try await mobyfs("driver", "ls", in: root)
            #expect(never.status == 2)
            #expect(never.complaints.contains("the daemon is not running"), "\(never.complaints)")
            #expect(never.complaints.contains("start"))
            // What a daemon leaves that was killed.
            try await withDaemon(in: root) { daemon in
                #expect(daemon.runtime.appending("control.sock").exists)
                daemon.send(SIGKILL)
            }
            #expect(root.appending("run/control.sock").exists)
            let start = ContinuousClock.now
            let killed = try await mobyfs("volume", "resize", "x", "1G", in: root)
            #expect(killed.status == 2)
            #expect(killed.complaints.contains("the daemon is not running"), "\(killed.complaints)")
            #expect(
                ContinuousClock.now - start < .seconds(10), "nothing will start it, so there is nothing to wait for")
            // And what does the next daemon about it: it listens there.
            try await withDaemon(in: root) { _ in
                let listed = try await mobyfs("driver", "ls", "-q", in: root)
                #expect(listed.status == 0, "\(listed.complaints)")
            }
            #expect(!root.appending("run/control.sock").exists)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root, to be somebody else"))
    func isForRootAlone() async throws {
        try await withTemporaryDirectory { root in
            chmod(root.string, 0o755)
            try await withDaemon(in: root) { daemon in
                let socket = daemon.runtime.appending("control.sock")
                #expect(socket.attributes.mode == 0o600)
                let refused = try await curl(socket, isRoot: false)
                #expect(refused == 7, "it cannot connect")
                // Even where somebody has opened it.
                chmod(socket.string, 0o666)
                let hungUp = try await curl(socket, isRoot: false)
                #expect([7, 52, 55, 56].contains(hungUp), "it is not answered: \(hungUp)")
                let answered = try await curl(socket, isRoot: true)
                #expect(answered == 0)
            }
        }
    }

    @Test(
        .enabled(if: geteuid() == 0, "needs root, to be somebody else"),
        .enabled(if: Self.canBeRunByAll, "the built program is in a folder of root's"), arguments: [0o600, 0o666])
    func saysThatOnlyRootMayCall(mode: mode_t) async throws {
        try await withTemporaryDirectory { root in
            chmod(root.string, 0o755)
            try await withDaemon(in: root) { daemon in
                chmod(daemon.runtime.appending("control.sock").string, mode)
                let outcome = try await mobyfs("driver", "ls", in: root, isRoot: false)
                #expect(outcome.status == 2)
                #expect(outcome.complaints.contains("only root may call the daemon"), "\(outcome.complaints)")
            }
        }
    }

    private static let asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

    private static var canBeRunByAll: Bool {
        var path = RunningDaemon.binary
        while !path.isEmpty, path != "/" {
            if path.attributes.mode & 0o005 == 0 { return false }
            path.removeLastComponent()
        }
        return true
    }

    private func curl(_ socket: FilePath, isRoot: Bool) async throws -> Int32 {
        var command = isRoot ? [] : Self.asNobody
        command += ["curl", "-s", "--unix-socket", socket.string, "-d", "{}", "http://mobyfs/Control.ListDrivers"]
        let result = try await run(
            .name(command[0]), arguments: Arguments(Array(command.dropFirst())), workingDirectory: "/",
            output: .discarded)
        guard case .exited(let status) = result.terminationStatus else { return -1 }
        return status
    }

    /// Engines are served all the same.
    @Test func theDaemonServesWithoutIt() async throws {
        try await withTemporaryDirectory { root in
            let deep = root.appending(String(repeating: "d", count: 100))
            try await withDaemon(in: root, arguments: ["--runtime-dir", "\(deep)"]) { daemon in
                #expect(try daemon.output.contains("the command line cannot call the daemon"))
                let answer = try await daemon.call("VolumeDriver.List", "{}")
                #expect(answer == #"{"Volumes":[]}"#)
            }
        }
    }

    /// It is no plugin, and the plugin is no way to it.
    @Test func isApartFromThePlugin() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                let control = try Wire(daemon.runtime.appending("control.sock"))
                let plugin = try await control.exchange(Wire.post("/VolumeDriver.List", "{}"))
                #expect(plugin.contains("404"))
                let foreign = try await daemon.connect().exchange(Wire.post("/Control.ListDrivers", "{}"))
                #expect(foreign.contains("404"))
                let told = daemon.specDirectory.appending("control.spec").exists
                #expect(!told)
            }
        }
    }
}
