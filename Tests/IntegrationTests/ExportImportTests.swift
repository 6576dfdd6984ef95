// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import Subprocess
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
            #expect(try await mobyfs("volume", "export", "db", "--output", file.string, in: root) == .success(""))
            let again = try await mobyfs("volume", "export", "db", "--output", file.string, in: root)
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
            let refused = try await mobyfs("volume", "export", "db", "--output", "\(root)/x.tar", in: root)
            #expect(refused.status == 1 && refused.complaints.contains("is in use"))
            #expect(!root.appending("x.tar").exists)
            #expect(try partialFiles(in: root).isEmpty)
            #expect(
                try await mobyfs("volume", "export", "--live", "db", "--output", "\(root)/x.tar", in: root).status == 0)
        }
    }

    @Test(arguments: [
        ("head -c 2500 good.tar >bad.tar", "ends after 2500 bytes"),
        ("tar -cf two.tar -C data/volumes/db/data link hard; head -c 600 two.tar >bad.tar", "ends after 600 bytes"),
        ("tar -cf two.tar -C data/volumes/db/data link hard; head -c 512 two.tar >bad.tar", "ends after 512 bytes"),
        ("tar -cf two.tar -C data/volumes/db/data link; head -c 1024 two.tar >bad.tar", "ends after 1024 bytes"),
        (
            "tar -cf a.tar -C data/volumes/db/data link; head -c 1024 a.tar | cat - good.tar >bad.tar",
            "damaged at byte 1024"
        ),
        (
            "echo no tar at all, but long >bad.tar",
            "'ROOT/bad.tar' cannot be imported as volume 'new': this is no tar stream"
        ),
        ("seq 2000 >bad.tar", "this is no tar stream"), (": >bad.tar", "it is empty"),
        ("mkdir bad.tar", "is a directory: 'tar -C"),
        ("gzip -c good.tar >bad.tar", "'zcat FILE | mobyfs volume import NAME'"),
        ("bzip2 -c good.tar >bad.tar", "'bzcat FILE"), ("xz -c good.tar >bad.tar", "'xzcat FILE"),
        ("mkdir e; mknod e/disk b 1 1; tar -cf bad.tar -C e .", "the device node './disk'"),
        ("mkdir e; mknod e/memory c 1 1; tar -cf bad.tar -C e .", "the device node './memory'"),
        ("tar -P -cf bad.tar good.tar \"$PWD/good.tar\"", "the absolute name 'ROOT/good.tar'"),
        ("tar -P --format=posix -cf bad.tar good.tar \"$PWD/good.tar\"", "the absolute name 'ROOT/good.tar'"),
        (
            "d=$PWD/$(seq -s d 75); mkdir $d; echo >$d/f; tar -P --format=gnu -cf bad.tar $d/f",
            "the absolute name 'ROOT/1d2d3"
        ),
        ("mkdir e; echo >o; tar -P -cf bad.tar -C e ../o", "the name '../o', which leads out"),
        (
            "echo >o; ln o p; tar -P -cf bad.tar --transform 's,^o,/etc/passwd,hRS' o p",
            "hard link to '/etc/passwd'"
        ),
    ])
    func leaveNothingOfAStreamThatIsNotTaken(script: String, words: String) async throws {
        try await withVolume { root, _ in
            _ = try await mobyfs("volume", "export", "db", "--output", "\(root)/good.tar", in: root)
            try await shell(script, in: root)
            let refused = try await mobyfs("volume", "import", "new", "-i", "\(root)/bad.tar", in: root)
            #expect(refused.status == 1 && refused.output == "", "\(refused)")
            let expected = words.split(separator: "ROOT", omittingEmptySubsequences: false).joined(
                separator: root.string)
            #expect(refused.complaints.contains(expected), "\(refused)")
            #expect(try await mobyfs("volume", "ls", "-q", in: root) == .success("db\n"))
            let left = try Directories.entries(of: root.appending("data/volumes"))
            #expect(left == ["db"])
        }
    }

    /// The end mark matters in pipes too, where a line may break.
    @Test func takeNothingFromAPipeThatBreaks() async throws {
        try await withVolume { root, _ in
            let options = "--config /dev/null --runtime-dir \(root)/run"
            let program = Self.program
            let said = try await shell(
                """
                mkdir e; for i in 1 2 3 4 5 6 7 8 9; do echo $i >e/$i; done
                tar -cC e . | head -c 4096 | { \(program) volume import new \(options) 2>&1 && echo taken || echo refused; }
                tar -cC e . | { \(program) volume import all --input - \(options); }
                """, in: root)
            #expect(said.hasSuffix("get it again\nrefused\nall\n"), "\(said)")
            #expect(try await mobyfs("volume", "ls", "-q", in: root) == .success("all\ndb\n"))
        }
    }

    /// By such nodes overlay file systems say that a file is deleted; links go where they go in the container.
    @Test func takeWhatIsHarmless() async throws {
        try await withVolume { root, _ in
            try await shell(
                "mkdir e; mknod e/white c 0 0; ln -s ../../etc/passwd e/link; tar -cf e.tar -C e .", in: root)
            #expect(try await mobyfs("volume", "import", "new", "-i", "\(root)/e.tar", in: root) == .success("new\n"))
            #expect(try await shell("readlink data/volumes/new/data/link", in: root) == "../../etc/passwd\n")
        }
    }

    @Test func sayThatAVolumeIsFull() async throws {
        try await withVolume { root, _ in
            try await shell("head -c 3000000 /dev/urandom >big; tar -cf big.tar big", in: root)
            let full = try await mobyfs(
                "volume", "import", "new", "-i", "\(root)/big.tar", "-o", "type=tmpfs", "-o", "size=1M", in: root)
            #expect(
                full.status == 1
                    && full.complaints.hasPrefix("mobyfs: volume 'new' is full before all of '\(root)/big.tar'"))
            #expect(full.complaints.contains("a size of 1M is too small"))
            #expect(try await mobyfs("volume", "ls", "-q", in: root) == .success("db\n"))
        }
    }

    @Test func goToStandardOutput() async throws {
        try await withVolume { root, _ in
            let options = "--config /dev/null --runtime-dir \(root)/run"
            try await shell("head -c 5000000 /dev/urandom >data/volumes/db/data/big", in: root)
            let said = try await shell(
                """
                \(Self.program) volume export db --output - \(options) | tar -t | grep -x ./folder/file
                set +e
                { \(Self.program) volume export db \(options) 2>complaints; echo $? >status; } | head -c 100 >/dev/null
                cat status complaints; ls -- - 2>/dev/null
                true
                """, in: root)
            // As of any program in a pipe whose end is gone.
            #expect(said == "./folder/file\n141\n")
            #expect(try await mobyfs("volume", "export", "db", "-o", "x", in: root).status == 2)
        }
    }

    /// Starts the program, waits, and sends it a signal.
    ///
    /// - Returns: What it said, and by which signal it ended.
    private func interrupt(
        _ signal: CInt, _ arguments: [String], in root: FilePath, when condition: @escaping @Sendable () throws -> Bool
    ) async throws -> (complaints: String, signal: CInt?) {
        let errors = root.appending("complaints")
        let file = try FileDescriptor.open(
            errors, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
        let result = try await run(
            .path(RunningDaemon.binary),
            arguments: Arguments(arguments + ["--config", "/dev/null", "--runtime-dir", "\(root)/run"]),
            input: .none, output: .discarded, error: .fileDescriptor(file, closeAfterSpawningProcess: true)
        ) { execution in
            defer { kill(execution.processIdentifier.value, signal) }
            try await eventually("the work has begun") { try condition() }
        }
        guard case .signaled(let ending) = result.terminationStatus else { return (try errors.text, nil) }
        return (try errors.text, ending)
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP]) func leaveNothingWhenInterrupted(signal: CInt) async throws {
        try await withVolume { root, _ in
            let fifo = root.appending("stream")
            try #require(mkfifo(fifo.string, 0o600) == 0)
            let (volumes, data) = (root.appending("data/volumes"), root.appending("data/volumes/db/data"))
            // Both ends: neither opening waits, and there never is an end.
            let stream = try FileDescriptor.open(fifo, .readWrite)
            let taken = try await interrupt(
                signal, ["volume", "import", "new", "--input", fifo.string], in: root
            ) { try Directories.entries(of: volumes).count == 2 }
            #expect(taken.signal == signal && taken.complaints == "mobyfs: interrupted; nothing was created\n")
            // The daemon does it by itself if the signal came before its answer.
            try await eventually("it is taken back") { try Directories.entries(of: volumes) == ["db"] }
            try stream.close()

            // Not sparse, so that it takes its time.
            try await shell("yes | head -c 600000000 >big", in: data)
            let file = root.appending("db.tar")
            let given = try await interrupt(
                signal, ["volume", "export", "db", "--output", file.string], in: root
            ) { try !partialFiles(in: root).isEmpty }
            #expect(given.signal == signal && given.complaints == "mobyfs: interrupted; no file was written\n")
            #expect(!file.exists)
            #expect(try partialFiles(in: root).isEmpty)
            // And nobody holds it.
            #expect(try await mobyfs("volume", "rm", "db", in: root) == .success("db\n"))
        }
    }

    /// What the daemon has begun it ends; whoever is gone has been told.
    @Test(arguments: [SIGINT, SIGTERM]) func sayWhatGoesOnInTheDaemon(signal: CInt) async throws {
        try await withVolume { root, _ in
            let (volumes, data) = (root.appending("data/volumes"), root.appending("data/volumes/db/data"))
            try await shell("yes | head -c 400000000 >big", in: data)
            let cloned = try await interrupt(signal, ["volume", "clone", "db", "new"], in: root) {
                try Directories.entries(of: volumes).count == 2
            }
            #expect(
                cloned.signal == signal && cloned.complaints.contains("the daemon goes on with it: 'mobyfs volume ls'"))
            try await eventually("it is done") {
                try Set(Directories.entries(of: volumes)) == ["db", "new"]
            }
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

    /// What was half done is gone with the daemon; a new one serves whoever tries again.
    @Test func sayThatTheDaemonWasRestarted() async throws {
        try await withTemporaryDirectory { root in
            let fifo = root.appending("stream")
            try #require(mkfifo(fifo.string, 0o600) == 0)
            let stream = try FileDescriptor.open(fifo, .readWrite)
            try await withDaemon(in: root) { _ in
                _ = try await mobyfs("volume", "create", "db", in: root)
                _ = try await mobyfs("volume", "export", "db", "--output", "\(root)/db.tar", in: root)
            }
            let whole = try root.appending("db.tar").text
            let outcome = Task {
                try await eventually("the first daemon listens") {
                    root.appending("run/control.sock").isListeningSocket
                }
                return try await mobyfs("volume", "import", "new", "-i", fifo.string, in: root)
            }
            try await withDaemon(in: root) { _ in
                try await eventually("the import has begun") {
                    try Directories.entries(of: root.appending("data/volumes")).count == 2
                }
            }
            try await withDaemon(in: root) { _ in
                try await eventually("what is half done is gone") {
                    try Directories.entries(of: root.appending("data/volumes")) == ["db"]
                }
                try stream.writeAll(whole.utf8)
                try stream.close()
                let said = try await outcome.value
                #expect(said.status == 1 && said.complaints.contains("restarted or stopped meanwhile"), "\(said)")
            }
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

    /// Files that an export has begun to write.
    private func partialFiles(in folder: FilePath) throws -> [String] {
        try Directories.entries(of: folder).filter { $0.hasSuffix(".partial") }
    }
}
