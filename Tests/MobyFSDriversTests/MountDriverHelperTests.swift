// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// Programs that behave as the worst helpers do.
@Suite(.enabled(if: Machine.isRoot, "mounting needs root"), .serialized)
struct MountDriverHelperTests {
    private let options = ["type": "fake", "device": "server:/a, 100% 'b'", "o": "soft,key=x 'y'\\z,noauto"]

    @Test func startsTheHelperOfATypeWithoutAShell() async throws {
        try await withMountDriver { fixture in
            try fixture.makeProgram(
                "mount.fake",
                "printf '%s\\n' \"$@\" > \(fixture.root)/arguments; mount -i -t tmpfs \"$1\" \"$2\"")
            for _ in 0..<2 { try await fixture.mount(options) }
            let arguments = try fixture.root.appending("arguments").text
            #expect(
                arguments == "server:/a, 100% 'b'\n\(fixture.mounts)\n-o\nsoft,key=x 'y'\\z\n")
            #expect(try fixture.entry?.source == "server:/a, 100% 'b'")
            try await fixture.unmount(options)
            #expect(!fixture.mounts.exists)
        }
    }

    @Test func reportsTheLastLineTheErrorsNameAndWhatWasToBeMounted() async throws {
        try await withMountDriver { fixture in
            try fixture.makeProgram("mount.fake", "echo noise; echo 'mount.fake: Connection refused' >&2; exit 32")
            let text = try await fixture.refusal(options)
            #expect(text.contains("mount.fake: Connection refused (ECONNREFUSED)"), "\(text)")
            #expect(text.contains("source 'server:/a, 100% 'b''") && text.contains("soft"), "\(text)")
            #expect(!text.contains("32"))
        }
    }

    @Test func hidesPasswordsThatAHelperRepeats() async throws {
        try await withMountDriver { fixture in
            try fixture.makeProgram("sshfs", "read word; echo \"sshfs: $word is wrong for $*\" >&2; exit 1")
            let text = try await fixture.refusal(["sshcmd": "me@host:", "password": "hun,ter2"])
            #expect(text.contains("sshfs: *** is wrong"), "\(text)")
            #expect(!text.contains("hun,ter2"))
        }
    }

    @Test func handsPasswordsOverWhereNobodySeesThem() async throws {
        try await withMountDriver { fixture in
            try fixture.makeProgram(
                "sshfs",
                "tr '\\0' '\\n' < /proc/$$/cmdline > \(fixture.root)/seen; env >> \(fixture.root)/seen; "
                    + "cat > \(fixture.root)/input; exit 1")
            // An accent that combines with what is in front of it is of the password all the same.
            let password = "\u{301}hun,ter2"
            for credentials in ["file", "\(fixture.root)/credentials/list"] {
                try fixture.root.appending("credentials/file").write("\(password)\n")
                try fixture.root.appending("credentials/list").write("username = you\npassword=\(password)\n")
                _ = try await fixture.refusal(["type": "fuse.sshfs", "device": "host:", "credentials": credentials])
                let seen = try fixture.root.appending("seen").text
                #expect(!seen.contains("hun,ter2"))
                #expect(seen.contains("password_stdin"))
                #expect(try fixture.root.appending("input").text == "\(password)\n")
            }
            let missing = try await fixture.refusal(["type": "fuse.sshfs", "device": "host:", "credentials": "none"])
            #expect(missing.contains("credentials='none' cannot be read"))

            // Not the first line of just any file of root's, nor what opening a device does.
            try fixture.root.appending("token").write("hun,ter2\n")
            for (path, words) in [("\(fixture.root)/token", "no line 'password=…'"), ("/dev/zero", "is no file")] {
                let text = try await fixture.refusal(["type": "fuse.sshfs", "device": "host:", "credentials": path])
                #expect(text.contains(words) && !text.contains("hun,ter2"), "\(text)")
            }
        }
    }

    @Test func endsAHelperThatHangsAndWhatItHasStarted() async throws {
        try await withMountDriver { fixture in
            // One in its own session, as daemons are.
            try fixture.makeProgram(
                "mount.fake",
                "mount -i -t tmpfs half \"$2\"; setsid sleep 1000 & echo $! > \(fixture.root)/pid; sleep 1000")
            let start = ContinuousClock.now
            let text = try await fixture.refusal(options, within: .seconds(2))
            #expect(.now - start < .seconds(60))
            #expect(text.contains("did not end within 2 s and was killed; is the server there?"), "\(text)")
            let pid = try #require(Int32(fixture.root.appending("pid").text.filter { !$0.isNewline }))
            while try ProcessIdentity(processID: pid) != nil { sched_yield() }
        }
    }

    @Test func survivesAHelperThatFloods() async throws {
        try await withMountDriver { fixture in
            try fixture.makeProgram("mount.fake", "yes | head -c 3000000; yes >&2; echo the end; exit 1")
            let text = try await fixture.refusal(options)
            #expect(text.utf8.count < 4096, "\(text.utf8.count)")
        }
    }

    @Test func doesNotWaitForADaemon() async throws {
        try await withMountDriver { fixture in
            try fixture.makeProgram(
                "mount.fake",
                "mount -i -t tmpfs served \"$2\"; setsid sleep 1000 & echo $! > \(fixture.root)/pid; exit 0")
            try await fixture.mount(options, within: .seconds(60))
            let pid = try #require(Int32(fixture.root.appending("pid").text.filter { !$0.isNewline }))
            #expect(try ProcessIdentity(processID: pid) != nil)
            kill(pid, SIGKILL)
            try await fixture.unmount(options)
        }
    }

    @Test func doesNotBelieveAHelperThatMountsNothing() async throws {
        try await withMountDriver { fixture in
            try fixture.makeProgram("mount.fake", "exit 0")
            let text = try await fixture.refusal(options)
            #expect(text.contains("mount.fake has ended without an error, and nothing is mounted"))
        }
    }

    @Test(arguments: [
        ("fake", "key=\"b,evil=1\"", "','"), ("fake", "key=b\\,evil=1", "','"), ("fake", "key=b\\\"", "'\"'"),
        ("glusterfs", "log-level=\"ERROR,evil=1\"", "','"), ("glusterfs", "log-level=ERROR evil=1", "' '"),
        ("glusterfs", "log-level=/*", "'*'"),
    ])
    func refusesAValueThatAHelperWouldReadAsTwoOptions(type: String, o: String, character: String) async throws {
        try await withMountDriver { fixture in
            try fixture.makeProgram("mount.\(type)", "touch \(fixture.root)/ran; exit 1")
            let text = try await fixture.refusal(["type": type, "device": "host:/x", "o": o])
            #expect(text.contains("mount.\(type) takes no \(character) in the value of mount option"), "\(text)")
            #expect(!fixture.root.appending("ran").exists)
        }
    }

    @Test(arguments: ["sshfs", "fuse.sshfs", "fuse3"])
    func givesSSHFSEachOptionAsOneUnderWhateverName(type: String) async throws {
        try await withMountDriver { fixture in
            try fixture.makeProgram("mount.sshfs", "touch \(fixture.root)/ran; exit 1")
            try fixture.makeProgram("sshfs", "printf '%s\\n' \"$@\" > \(fixture.root)/arguments; exit 1")
            let device = type == "fuse3" ? "sshfs#host:" : "host:"
            let o = "fsname=\"b\\,ssh_command=/evil \""
            _ = try await fixture.refusal(["type": type, "device": device, "o": o])
            let arguments = try fixture.root.appending("arguments").text
            #expect(arguments.contains("-o\nfsname=b\\,ssh_command=/evil \n"), "\(arguments)")
            #expect(!fixture.root.appending("ran").exists)
        }
    }

    @Test func runsNoWrapperThatRunsAnything() async throws {
        try await withMountDriver { fixture in
            try fixture.makeProgram("mount.fuse3", "touch \(fixture.root)/ran; exit 1")
            symlink("mount.fuse3", fixture.programs.appending("mount.wrapped").string)
            let text = try await fixture.refusal(["type": "wrapped", "device": "touch#x"])
            #expect(text.contains("mount.wrapped runs any program: write type=fuse.PROGRAM"), "\(text)")
            #expect(!fixture.root.appending("ran").exists)
        }
    }

    @Test func takesNoProgramForAFileSystemBecauseItHasAHelper() async throws {
        try await withMountDriver { fixture in
            try fixture.makeProgram("mine", "touch \(fixture.root)/ran; exit 1")
            try fixture.makeProgram("mount.mine", "exit 1")
            let text = try await fixture.refusal(["type": "fuse.mine", "device": "destroy"])
            #expect(text.contains("mine is not known to serve a file system"), "\(text)")
            #expect(!fixture.root.appending("ran").exists)
        }
    }

    @Test func takesAProgramForAFileSystemIfTheAdministratorSaysSo() async throws {
        try await withMountDriver { fixture in
            try fixture.makeProgram("mine", "mount -i -t tmpfs \"$1\" \"$2\"")
            symlink("mine", fixture.programs.appending("mount.fuse.mine").string)
            let options = ["type": "fuse.mine", "device": "x", "o": "a=\"b,c\\d\""]
            try await fixture.mount(options)
            try await fixture.unmount(options)
        }
    }
}
