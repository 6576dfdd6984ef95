// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite struct HelperProgramTests {
    private let shell = HelperProgram("sh", package: "dash")
    private var soon: ContinuousClock.Instant { .now + .seconds(30) }

    private func failure(
        of program: HelperProgram, _ arguments: [String], until deadline: ContinuousClock.Instant? = nil
    ) async -> HelperError? {
        await #expect(throws: HelperError.self) {
            try await program.run(arguments, until: deadline ?? soon)
        }
    }

    @Test func givesTheOutputOfAProgramThatSucceeds() async throws {
        let text = try await shell.run(["-c", "echo one; echo no >&2; echo two"], until: soon)
        #expect(text == "one\ntwo\n")
    }

    /// As mkfs.btrfs fails while some loop device is detached.
    @Test func isRunAgainWhereALoopDeviceGoesMeanwhile() async throws {
        try await withTemporaryDirectory { root in
            let complaint = "ERROR: cannot check mount status of /image: No such device or address"
            let script = "echo >>\(root)/runs; [ $(wc -l <\(root)/runs) = 3 ] || { echo '\(complaint)' >&2; exit 1; }"
            try await shell.runBesideLoopDevices(["-c", script], until: soon)
            #expect(try root.appending("runs").text == "\n\n\n")
            await #expect(throws: HelperError.self) {
                try await shell.runBesideLoopDevices(["-c", "echo; echo no >&2; exit 1"], until: soon)
            }
        }
    }

    @Test func givesAProgramItsInputAndThenTheEnd() async throws {
        let cat = HelperProgram("cat", package: "coreutils")
        let text = try await cat.run([], input: Array("secret\n".utf8), until: soon)
        #expect(text == "secret\n")
        #expect(try await cat.run([], until: soon).isEmpty)
        // A pipe that nobody reads yet takes no more.
        await #expect(throws: SystemCallError.self) {
            try await cat.run([], input: [UInt8](repeating: 1, count: 1 << 20), until: soon)
        }
    }

    @Test func doesNotLetAShellSeeTheArguments() async throws {
        let arguments = ["%s|", "$HOME", "a,b", "100%", "'\"`id`", "new\nline", "*", ""]
        let text = try await HelperProgram("printf", package: "coreutils").run(arguments, until: soon)
        #expect(text == "$HOME|a,b|100%|'\"`id`|new\nline|*||")
        await #expect(throws: SystemCallError.self) { try await shell.run(["-c", "true\0false"], until: soon) }
    }

    @Test func givesAProgramASessionAndDescriptorsOfItsOwn() async throws {
        let script = "cut -d' ' -f1,5,6 /proc/$$/stat; pwd; echo $ADDED $LC_ALL; ls /proc/$$/fd"
        let text = try await shell.run(["-c", script], environment: ["ADDED": "yes"], until: soon)
        let lines = text.split(separator: "\n").map(String.init)
        #expect(Set(lines[0].split(separator: " ")).count == 1, "process, group and session: \(lines[0])")
        #expect(lines[1...] == ["/", "yes C", "0", "1", "2"])
    }

    @Test func keepsFromHelpersWhatSystemdSaysToTheDaemon() {
        let own = ["NOTIFY_SOCKET": "/run/x", "MOBYFS_PORT": "1", "RCLONE_CONFIG": "/etc/r", "LC_ALL": "de_DE"]
        let environment = HelperProgram.environment(from: own, folders: ["/a", "/b"], adding: ["X": "y"])
        #expect(
            environment == ["RCLONE_CONFIG": "/etc/r", "LC_ALL": "C", "HOME": "/root", "PATH": "/a:/b", "X": "y"])
        #expect(HelperProgram.environment(from: ["HOME": "/h"], folders: [], adding: [:])["HOME"] == "/h")
    }

    @Test func saysWhichPackageHasAMissingProgram() async throws {
        let error = await failure(of: HelperProgram("mount.nonsense", package: "nonsense-common"), [])
        #expect(error?.reason == .missing)
        #expect(error?.description == "the program mount.nonsense is not installed: apt install nonsense-common")
        #expect(HelperProgram("../../bin/sh", package: "dash").locate() == nil)
        #expect(HelperProgram("", package: "dash").locate() == nil)
    }

    @Test func reportsTheLastLineOfAProgramThatFails() async throws {
        let script = "echo out; echo 'first line' >&2; printf 'sh: \\033[1mwhat is wrong\\033[0m  \\n\\n' >&2; exit 32"
        let error = await failure(of: shell, ["-c", script])
        #expect(error?.reason == .failed(status: 32))
        #expect(error?.lines.count == 2)
        #expect(error?.description == "sh: [1mwhat is wrong[0m")
        // What some say, they say on the standard output.
        #expect(await failure(of: shell, ["-c", "echo out; exit 1"])?.description == "sh: out")
        #expect(await failure(of: shell, ["-c", "exit 3"])?.description == "sh ended with status 3 and said nothing")
    }

    @Test func reportsTheSignalThatEndedAProgram() async throws {
        let error = await failure(of: shell, ["-c", "echo last words >&2; kill -9 $$"])
        #expect(error?.reason == .signalled(9))
        #expect(error?.description == "sh was ended by signal 9 after it said: last words")
    }

    @Test func reportsAFileThatIsNoProgram() async throws {
        try await withTemporaryDirectory { root in
            try root.appending("broken").write("#!/nonexistent/interpreter\n")
            chmod(root.appending("broken").string, 0o755)
            let error = await #expect(throws: SystemCallError.self) {
                try await HelperProgram("broken", package: "x", folders: [root]).run([], until: soon)
            }
            #expect(error?.errno == .noSuchFileOrDirectory)
        }
    }

    @Test func endsTheWholeGroupAtTheDeadline() async throws {
        try await withTemporaryDirectory { root in
            let file = root.appending("pids")
            // The first ignores TERM, and so does its child.
            let script = "trap '' TERM; sleep 1000 & echo $! $$ > \(file); echo waiting >&2; wait; sleep 1000"
            let error = await failure(of: shell, ["-c", script], until: .now + .seconds(1))
            #expect(error?.description == "sh did not end within 1 s and was killed after it said: waiting")
            for pid in try file.text.split(whereSeparator: \.isWhitespace).compactMap({ Int32($0) }) {
                #expect(try ProcessIdentity(processID: pid) == nil)
            }
        }
    }

    @Test func leavesNothingRunningAfterAFailure() async throws {
        try await withTemporaryDirectory { root in
            let file = root.appending("pid")
            _ = await failure(of: shell, ["-c", "sleep 1000 & echo $! > \(file); exit 1"])
            let pid = try #require(Int32(file.text.filter { !$0.isNewline }))
            // KILL was sent; who is gone is gone, who is not yet must be about to.
            while try ProcessIdentity(processID: pid) != nil { sched_yield() }
        }
    }

    /// As mount.fuse does: the program ends, and its daemon keeps all it was given.
    @Test func doesNotWaitForADaemonThatAProgramLeavesBehind() async throws {
        try await withTemporaryDirectory { root in
            let (fifo, file) = (root.appending("fifo"), root.appending("pid"))
            try #require(mkfifo(fifo.string, 0o600) == 0)
            let start = ContinuousClock.now
            let script = """
                setsid sh -c 'echo $$ > \(file); echo daemon; read line < \(fifo); echo still here; echo alive > \(file)' &
                while ! [ -s \(file) ]; do :; done; echo done
                """
            let text = try await shell.run(["-c", script], until: soon)
            #expect(.now - start < .seconds(20))
            #expect(text.contains("done"))
            // It lives on, and what it says does not end it.
            let pid = try #require(Int32(file.text.filter { !$0.isNewline }))
            let daemon = try #require(try ProcessIdentity(processID: pid))
            try fifo.feed("go\n")
            while daemon.isAlive { sched_yield() }
            #expect(try file.text == "alive\n")
        }
    }

    @Test func takesNoMoreOutputThanItHasRoomFor() async throws {
        let text = try await shell.run(
            ["-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo end >&2; exit 0"], until: soon)
        #expect(text.utf8.count == 1 << 20)
        let error = await failure(of: shell, ["-c", "yes 2>/dev/null; echo enough >&2; exit 4"])
        #expect(error?.lastLine == "enough")
    }

    /// A client that hangs up must not leave half a mount.
    @Test func goesOnWhenTheCallerIsCancelled() async throws {
        try await withTemporaryDirectory { root in
            let (fifo, file) = (root.appending("fifo"), root.appending("file"))
            try #require(mkfifo(fifo.string, 0o600) == 0)
            let task = Task {
                try await shell.run(["-c", "read line < \(fifo); echo done > \(file); echo out"], until: soon)
            }
            task.cancel()
            try await BlockingWork.run { try fifo.feed("go\n") }
            #expect(try await task.value == "out\n")
            #expect(try file.text == "done\n")
        }
    }

    @Test func startsNothingWhenItIsTooLate() async throws {
        try await withTemporaryDirectory { root in
            let file = root.appending("file")
            let error = await failure(of: shell, ["-c", "echo > \(file)"], until: .now - .seconds(1))
            #expect(error?.reason == .timedOut(seconds: 0))
            #expect(!file.exists)
        }
    }
}

extension FilePath {
    /// Writes into a named pipe; waits until somebody reads it.
    fileprivate func feed(_ text: String) throws {
        let pipe = try FileDescriptor.open(self, .writeOnly)
        try pipe.closeAfter { _ = try pipe.writeAll(text.utf8) }
    }
}
