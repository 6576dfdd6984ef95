// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// Volumes as tar streams, with real ones.
@Suite(.timeLimit(.minutes(3)), .enabled(if: geteuid() == 0, "needs root, for owners and devices"))
struct ExportImportTests {
    private func mobyfs(_ arguments: String..., in root: FilePath) async throws -> CommandOutcome {
        try await CommandOutcome(of: arguments + ["--config", "/dev/null", "--runtime-dir", "\(root)/run"])
    }

    /// As a shell starts it; what these tests start programs with leaves a mark that is no setting.
    private static let program = "env -u MOBYFS_HELPER \(RunningDaemon.binary)"

    @discardableResult
    private func shell(_ script: String, in folder: FilePath) async throws -> String {
        try await HelperProgram("sh", package: "dash").run(
            ["-euc", "cd '\(folder)'\n\(script)"], until: .now + .seconds(60))
    }

    private func withVolume(_ body: @escaping @Sendable (FilePath, RunningDaemon) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                _ = try await mobyfs("volume", "create", "db", in: root)
                try await shell(
                    """
                    mkdir -m 2750 folder; echo precious >folder/file; chown 1234:5678 folder folder/file
                    ln folder/file hard; ln -s nowhere link; truncate -s 64M holes; echo end >>holes; mkfifo -m 600 pipe
                    setfattr -n user.colour -v red folder/file; setfacl -m u:4711:r folder/file
                    chmod 1755 .; touch -d 2001-02-03T04:05:06Z hard 'a name,
                    with a line break'
                    """, in: root.appending("data/volumes/db/data"))
                try await body(root, daemon)
            }
        }
    }

    /// All that is known of what is in a directory.
    private func description(of folder: FilePath) async throws -> String {
        try await shell(
            """
            find . -printf '%P %y %m %U %G %s %n %T@ %l\\n' | sort | sed 's/^ d \\(.*\\) [0-9]* [0-9]* [0-9.]* $/. \\1/'
            getfattr -R -d -m - . 2>/dev/null || true; getfacl -R -n . || true; stat -c '%n %b' holes; cat folder/file
            [ hard -ef folder/file ] && echo linked
            """, in: folder)
    }

    @Test func bringBackAllThatTheVolumeHeld() async throws {
        try await withVolume { root, _ in
            let file = root.appending("db.tar")
            #expect(try await mobyfs("volume", "export", "db", "-o", file.string, in: root) == .success(""))
            let again = try await mobyfs("volume", "export", "db", "-o", file.string, in: root)
            #expect(again.status == 1 && again.complaints.contains("is there already"))
            #expect(
                try await mobyfs("volume", "import", "new", "-i", file.string, "-o", "on-remove=trash", in: root)
                    == .success("new\n"))
            let volumes = root.appending("data/volumes")
            let before = try await description(of: volumes.appending("db/data"))
            let after = try await description(of: volumes.appending("new/data"))
            #expect(before == after)
            #expect(
                before.contains("user.colour=\"red\"") && before.contains("user:4711:r--") && before.contains("linked"))
            #expect(try volumes.appending("new/record.json").text.contains("trash"))
            let taken = try await mobyfs("volume", "import", "new", "-i", file.string, in: root)
            #expect(taken.status == 1 && taken.complaints.contains("there is a volume 'new' already"))
            // Nobody holds it any more.
            #expect(try await mobyfs("volume", "rm", "db", in: root).status == 0)
        }
    }

    @Test func goThroughPipesAndTakeSnapshots() async throws {
        try await withVolume { root, daemon in
            _ = try await mobyfs("volume", "snapshot", "db", "one", in: root)
            try root.appending("data/volumes/db/data/folder/file").write("spoilt\n")
            let options = "--config /dev/null --runtime-dir \(root)/run"
            let program = Self.program
            try await shell(
                "\(program) volume export db@one \(options) | \(program) volume import one \(options)", in: root)
            #expect(try root.appending("data/volumes/one/data/folder/file").text == "precious\n")
            // One in use is not exported unknowingly.
            _ = try await daemon.call("VolumeDriver.Mount", #"{"Name":"db","ID":"i"}"#)
            let refused = try await mobyfs("volume", "export", "db", "-o", "\(root)/x.tar", in: root)
            #expect(refused.status == 1 && refused.complaints.contains("is in use"))
            #expect(!root.appending("x.tar").exists && !root.appending("x.tar.partial").exists)
            #expect(try await mobyfs("volume", "export", "--live", "db", "-o", "\(root)/x.tar", in: root).status == 0)
        }
    }

    @Test(arguments: [
        ("head -c 2500 good.tar >bad.tar", "Unexpected EOF"), ("echo no tar at all, but long >bad.tar", "tar"),
        ("mkdir e; mknod e/disk b 1 1; tar -cf bad.tar -C e .", "mknod"),
        ("mkdir e; mknod e/memory c 1 1; tar -cf bad.tar -C e .", "mknod"),
    ])
    func leaveNothingOfAStreamThatIsNotTaken(script: String, words: String) async throws {
        try await withVolume { root, _ in
            _ = try await mobyfs("volume", "export", "db", "-o", "\(root)/good.tar", in: root)
            try await shell(script, in: root)
            let refused = try await mobyfs("volume", "import", "new", "-i", "\(root)/bad.tar", in: root)
            #expect(refused.status == 1 && refused.complaints.contains(words), "\(refused)")
            #expect(try await mobyfs("volume", "ls", "-q", in: root) == .success("db\n"))
            let left = try Directories.entries(of: root.appending("data/volumes"))
            #expect(left == ["db"])
        }
    }

    /// Whatever the names are, what is outside is not touched.
    @Test(arguments: [
        "tar -P -cf bad.tar --transform 's,^,../../../,' victim", "tar -P -cf bad.tar \"$PWD/victim\"",
        "mkdir a b b/out; ln -s \"$PWD\" a/out; cp victim b/out/victim; tar -cf bad.tar -C a out; tar -rf bad.tar -C ../b out/victim",
    ])
    func writeNothingOutsideOfTheVolume(script: String) async throws {
        try await withVolume { root, _ in
            try root.appending("victim").write("evil")
            try await shell(script + " || tar -rf bad.tar -C \"$PWD/b\" out/victim", in: root)
            try root.appending("victim").write("precious")
            _ = try await mobyfs("volume", "import", "new", "-i", "\(root)/bad.tar", in: root)
            #expect(try root.appending("victim").text == "precious")
            let left = try Directories.entries(of: root.appending("data"))
            #expect(Set(left) == ["volumes", "trash", "quarantine"])
        }
    }

    /// The daemon finds out that nobody works on it any more.
    @Test func leaveNothingOfACommandThatWasKilled() async throws {
        try await withVolume { root, _ in
            let fifo = root.appending("stream")
            try #require(mkfifo(fifo.string, 0o600) == 0)
            let started = try await shell(
                """
                \(Self.program) volume import new -i stream --config /dev/null --runtime-dir run >/dev/null 2>&1 &
                echo $!
                """, in: root)
            let process = try #require(Int32(started.filter(\.isNumber)))
            let writer = try await BlockingWork.run { try FileDescriptor.open(fifo, .writeOnly) }
            let volumes = root.appending("data/volumes")
            try await eventually("the import has begun") { try Directories.entries(of: volumes).count == 2 }
            kill(process, SIGKILL)
            try writer.close()
            try await eventually("it is taken back") { try Directories.entries(of: volumes) == ["db"] }
            // And the name is free.
            #expect(try await mobyfs("volume", "create", "new", in: root) == .success("new\n"))
        }
    }
}
