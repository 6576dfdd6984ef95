// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// The life of volumes from the command line alone.
@Suite(.timeLimit(.minutes(2))) struct VolumeCommandTests {
    private func mobyfs(_ arguments: String..., in root: FilePath) async throws -> CommandOutcome {
        try await CommandOutcome(of: arguments + ["--config", "/dev/null", "--runtime-dir", "\(root)/run"])
    }

    @Test func makesShowsChangesAndRemovesVolumes() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                let created = try await mobyfs("volume", "create", "db", "-o", "mode=0700", "-o", "protected", in: root)
                #expect(created == .success("db\n"))
                let again = try await mobyfs("volume", "create", "db", "-o", "mode=700", "-o", "protected", in: root)
                #expect(again == .success("db\n"))
                #expect(try await daemon.call("VolumeDriver.Get", #"{"Name":"db"}"#).contains(#""Name":"db""#))
                _ = try await daemon.call("VolumeDriver.Mount", #"{"Name":"db","ID":"abc"}"#)

                let table = try await mobyfs("volume", "ls", in: root)
                #expect(
                    table.output.hasPrefix(
                        "NAME  DRIVER     SIZE  MOUNTS  STATE\ndb    directory  -     1       protected\n"))
                #expect(try await mobyfs("volume", "ls", "--quiet", in: root) == .success("db\n"))
                let json = try JSONValue(
                    parsing: Array(try await mobyfs("volume", "ls", "--format=json", in: root).output.utf8))
                #expect(json.array?.first?["holders"]?.array?.first?["id"] == "abc")
                let inspected = try await mobyfs("volume", "inspect", "db", in: root).output
                #expect(
                    inspected.contains("data: \(root)/data/volumes/db/data\n") && inspected.contains("held: abc by "))

                _ = try await daemon.call("VolumeDriver.Unmount", #"{"Name":"db","ID":"abc"}"#)
                let protected = try await mobyfs("volume", "rm", "db", in: root)
                #expect(protected.status == 1 && protected.complaints.contains("volume set db protected=false"))
                #expect(try await mobyfs("volume", "set", "db", "protected=", "on-remove=trash", in: root).status == 0)
                #expect(try await mobyfs("volume", "rename", "db", "store", in: root) == .success("store\n"))
                try root.appending("data/volumes/store/data/file").write("precious")
                #expect(try await mobyfs("volume", "rm", "store", in: root) == .success("store\n"))
                #expect(try await mobyfs("volume", "ls", "-q", in: root) == .success(""))

                let trash = try await mobyfs("trash", "ls", in: root).output
                #expect(trash.contains("store  directory  ") && trash.contains("when emptied"))
                #expect(try await mobyfs("trash", "restore", "store", "--as", "db", in: root) == .success("db\n"))
                #expect(try root.appending("data/volumes/db/data/file").text == "precious")
            }
        }
    }

    @Test func prunesAndEmptiesTheTrashOnlyWhenItIsMeant() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                for name in ["a", "b"] { _ = try await daemon.call("VolumeDriver.Create", #"{"Name":"\#(name)"}"#) }
                #expect(try await mobyfs("volume", "prune", "--dry-run", in: root) == .success("a\nb\n"))
                let unasked = try await mobyfs("volume", "prune", in: root)
                #expect(unasked.status == 2 && unasked.complaints.contains("--force"))
                #expect(try await mobyfs("volume", "ls", "-q", in: root) == .success("a\nb\n"))
                let pruned = try await mobyfs("volume", "prune", "--force", in: root)
                #expect(pruned.output == "a\nb\n" && pruned.complaints.contains("room until \"mobyfs trash empty\""))
                _ = try await daemon.call("VolumeDriver.Create", #"{"Name":"c"}"#)
                let log = try await CommandOutcome(
                    of: ["volume", "prune", "--force", "--config", "/dev/null", "--runtime-dir", "\(root)/run"],
                    throughProgram: ["sh", "-c", #"exec "$0" "$@" 2>&1"#])
                #expect(log.output.hasPrefix("c\nremoved 1; "), "what was done, and then what came of it")
                let ids = try await mobyfs("trash", "ls", "-q", in: root).output
                #expect(try await mobyfs("trash", "empty", in: root).status == 2)
                #expect(try await mobyfs("trash", "empty", "--force", "--older-than", "1h", in: root) == .success(""))
                #expect(try await mobyfs("trash", "empty", "--force", in: root) == .success(ids))
                #expect(try await mobyfs("trash", "ls", "-q", in: root) == .success(""))
            }
        }
    }

    @Test func keepsRestoresAndClones() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { _ in
                let file = root.appending("data/volumes/db/data/file")
                _ = try await mobyfs("volume", "create", "db", "-o", "mode=0750", in: root)
                try file.write("first")
                #expect(try await mobyfs("volume", "snapshot", "db", "one", in: root) == .success("db@one\n"))
                try file.write("second")
                #expect(try await mobyfs("volume", "clone", "db@one", "old", in: root) == .success("old\n"))
                #expect(try root.appending("data/volumes/old/data/file").text == "first")
                let again = try await mobyfs("volume", "clone", "db", "old", in: root)
                #expect(again.status == 1 && again.complaints.contains("there is a volume 'old' already"))

                let missing = try await mobyfs("volume", "restore", "db", "two", in: root)
                let words = "volume 'db' has no snapshot 'two'; 'mobyfs volume snapshots db' shows what it has"
                #expect(missing.status == 1 && missing.complaints == "mobyfs: \(words)\n")
                let noClone = try await mobyfs("volume", "clone", "db@two", "third", in: root)
                #expect(noClone.status == 1 && noClone.complaints == "mobyfs: \(words)\n")
                let unasked = try await mobyfs("volume", "restore", "db", "one", in: root)
                #expect(unasked.status == 2 && unasked.complaints.contains("--force"))
                #expect(try file.text == "second")
                #expect(try await mobyfs("volume", "restore", "--force", "db", "one", in: root) == .success("db\n"))
                #expect(try file.text == "first")

                let named = try await mobyfs("volume", "snapshot", "db", in: root)
                #expect(named.output.hasPrefix("db@20") && named.output.hasSuffix("Z\n"))
                let list = try await mobyfs("volume", "snapshots", "db", "--quiet", in: root)
                // In the order of time, which is told in seconds: within one, in that of names.
                #expect([.success("db@one\n" + named.output), .success(named.output + "db@one\n")].contains(list))
                let table = try await mobyfs("volume", "snapshots", "db", in: root).output
                #expect(table.hasPrefix("SNAPSHOT") && table.contains("  hand\n"))
                #expect(try await mobyfs("volume", "rm", "db@one", in: root) == .success("db@one\n"))
                #expect(try await mobyfs("volume", "snapshots", "-q", "db", in: root) == .success(named.output))

                _ = try await mobyfs("volume", "set", "old", "snapshot-schedule=daily", "snapshot-keep=2", in: root)
                let scheduled = try await mobyfs("volume", "snapshot", "--scheduled", in: root)
                #expect(scheduled.status == 0 && scheduled.output.hasPrefix("old@20"))
                #expect(try await mobyfs("volume", "snapshot", "--scheduled", in: root) == .success(""))
            }
        }
    }

    @Test func showsHowFullVolumesAre() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                _ = try await daemon.call("VolumeDriver.Create", #"{"Name":"files"}"#)
                try root.appending("data/volumes/files/data/a").write(String(repeating: "x", count: 100_000))
                let request = #"{"Name":"memory","Opts":{"type":"tmpfs","size":"64M"}}"#
                _ = try await daemon.call("VolumeDriver.Create", request)
                let table = try await mobyfs("volume", "df", in: root)
                #expect(table.status == 0, "\(table.complaints)")
                let json = try await mobyfs("volume", "df", "files", "memory", "--format", "json", in: root)
                let (files, memory) = try (
                    #require(JSONValue(parsing: Array(json.output.utf8)).array?.first),
                    #require(JSONValue(parsing: Array(json.output.utf8)).array?.last)
                )
                #expect(files["source"] == "files" && files["inodes"] == 1)
                if case .integer(let used)? = files["used"] { #expect((100_000...300_000).contains(used)) }
                #expect(memory["size"] == 67_108_864 && memory["used"] == 0)
                let missing = try await mobyfs("volume", "df", "nothing", in: root)
                #expect(missing.status == 1 && missing.complaints == "mobyfs: no such volume: 'nothing'\n")
            }
        }
    }

    @Test func showsTheOthersWhereOneIsMissing() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                _ = try await mobyfs("volume", "create", "db", in: root)
                let inspected = try await mobyfs("volume", "inspect", "none", "db", in: root)
                #expect(inspected.status == 1 && inspected.output.hasPrefix("db: driver directory\n"))
                #expect(inspected.complaints == "mobyfs: no such volume: 'none'\n")
                let full = try await mobyfs("volume", "df", "none", "db", in: root)
                #expect(full.status == 1 && full.output.contains("\ndb    directory"))
                #expect(full.complaints == "mobyfs: no such volume: 'none'\n")
                let json = try await mobyfs("volume", "df", "none", "db", "--format", "json", in: root).output
                #expect(try JSONValue(parsing: Array(json.utf8)).array?.map { $0["name"] } == ["db"])
                #expect(try await mobyfs("volume", "set", "db", "protected", in: root) == .success("db\n"))
                #expect(try await mobyfs("volume", "ls", in: root).output.contains("protected\n"))
            }
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root, to bind"))
    func takesAVolumeThatIsNotMountedForWhatItIs() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                let request = #"{"Name":"bound","Opts":{"type":"none","o":"bind","device":"\#(root)/outside"}}"#
                _ = try Directories.create(root.appending("outside"), mode: 0o755)
                _ = try await daemon.call("VolumeDriver.Create", request)
                let all = try await mobyfs("volume", "df", in: root)
                #expect(
                    all.status == 0 && all.complaints == "" && all.output.contains("bound  mount   -     -"), "\(all)")
                let named = try await mobyfs("volume", "df", "bound", in: root)
                #expect(named.status == 1 && named.complaints.contains("while a container uses it"))
            }
        }
    }

    /// Its volumes are not in the folder below it, and are there all the same.
    @Test(.enabled(if: geteuid() == 0, "needs root, to mount"))
    func callsNothingStrayWhileThePoolIsAway() async throws {
        try await withTemporaryDirectory { root in
            let pool = root.appending("data")
            try Directories.create(pool.appending("volumes/other"), mode: 0o755)
            try Mounts.mount(type: "tmpfs", source: "tmpfs", at: pool)
            try await withDaemon(in: root) { daemon in
                func doctor() async throws -> String {
                    try await CommandOutcome(
                        of: ["doctor", "--config", "/dev/null", "--runtime-dir", "\(root)/run"],
                        throughProgram: ["env", "MOBYFS_DATA_DIR=\(pool)"]
                    ).output
                }
                let request = #"{"Name":"memory","Opts":{"type":"tmpfs","size":"1M"}}"#
                #expect(try await daemon.call("VolumeDriver.Create", request) == "{}")
                _ = try await daemon.call("VolumeDriver.Mount", #"{"Name":"memory","ID":"i"}"#)
                let sound = try await doctor()
                #expect(!sound.contains("(pool)") && !sound.contains("(mount)"), "\(sound)")

                try Mounts.unmount(pool, detaching: true)
                let away = try await doctor()
                #expect(away.contains("(pool)") && !away.contains("(mount)"), "\(away)")
                // The daemon keeps what is in memory.
                try Mounts.unmount(root.appending("run/mounts/memory"))
            }
        }
    }

    /// As a shell asks for what may come next.
    @Test func completesNamesThatTheDaemonKnows() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                func complete(_ command: [String], _ argument: String, _ words: String...) async throws -> [String] {
                    let line = ["mobyfs"] + command + words + ["--config", "/dev/null", "--runtime-dir", "\(root)/run"]
                    let index = "\(command.count + words.count)"
                    let outcome = try await CommandOutcome(
                        of: ["---completion"] + command + ["--", argument, index, "0"] + line)
                    #expect(outcome.status == 0, "\(outcome)")
                    return outcome.output.split(separator: "\n").map(String.init)
                }
                for name in ["db", "shop", "old"] { _ = try await mobyfs("volume", "create", name, in: root) }
                _ = try await mobyfs("volume", "snapshot", "db", "before", in: root)
                _ = try await mobyfs("volume", "set", "old", "on-remove=trash", in: root)
                _ = try await mobyfs("volume", "rm", "old", in: root)
                let id = try await mobyfs("trash", "ls", "-q", in: root).output.filter { $0 != "\n" }
                #expect(try await complete(["volume", "rm"], "positional@0", "db", "") == ["shop"])
                #expect(try await complete(["volume", "rm"], "positional@0", "db") == ["db", "shop"])
                #expect(try await complete(["volume", "restore"], "positional@1", "db", "") == ["before"])
                #expect(try await complete(["trash", "restore"], "positional@0", "") == ["old", id])
                #expect(try await complete(["driver", "inspect"], "positional@0", "").contains("tmpfs"))
                #expect(try await complete(["volume", "create"], "--opt", "").contains("snapshot-keep="))
            }
        }
    }

    @Test(arguments: [
        (["volume", "inspect", "none"], 1, "no such volume: 'none'"),
        (["volume", "rm", "none"], 1, "no such volume: 'none'"),
        (["volume", "create", "../x"], 1, "is no name for a volume"),
        (["volume", "create", "x", "-o", "=1"], 2, "'=1' is no option"),
        (["volume", "create", "x", "-o", "mode=1", "-o", "mode=2"], 2, "given twice"),
        (["volume", "create", "x", "-o", "sise=1G"], 1, "did you mean 'size'"),
        (["volume", "set", "none", "protected"], 1, "no such volume: 'none'"),
        (["volume", "clone", "missing", "x"], 1, "mobyfs: no such volume: 'missing'"),
        (["volume", "export", "missing@one", "--output", "/nowhere/x"], 1, "' cannot be written"),
        (["volume", "export", "missing@one", "--output", "/tmp/missing.tar"], 1, "mobyfs: no such volume: 'missing'"),
        (["volume", "restore", "missing", "one"], 1, "no such volume: 'missing'"),
        (["trash", "empty", "missing"], 1, "there is no 'missing' in the trash"),
        (["volume", "ls", "--bogus"], 2, "--bogus"),
        (["volume", "rename", "none", "other"], 1, "no such volume: 'none'"),
        (["volume", "ls", "--format", "yaml"], 2, "yaml"),
        (["trash", "restore", "none"], 1, "'none' in the trash"),
        (["volume", "create", "x", "-o", "from=missing"], 1, "no such volume"),
        (["volume", "clone", "missing@one", "x"], 1, "no such volume"),
        (["volume", "snapshot", "none", "a/b"], 1, "'a/b' is no name for a snapshot"),
        (["volume", "snapshot", "none"], 1, "no such volume: 'none'"),
        (["volume", "snapshot"], 2, "--scheduled"),
        (["volume", "restore", "--force", "none", "one"], 1, "no such volume: 'none'"),
        (["volume", "rm", "none@one"], 1, "no such volume: 'none'"),
        (["trash", "empty", "--force", "--older-than", "soon"], 2, "'soon' is not a time"),
    ])
    func saysWhatIsWrong(arguments: [String], status: Int32, words: String) async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { _ in
                let outcome = try await CommandOutcome(
                    of: arguments + ["--config", "/dev/null", "--runtime-dir", "\(root)/run"])
                #expect(outcome.status == status, "\(outcome)")
                #expect(outcome.complaints.contains(words), "\(outcome)")
            }
        }
    }
}
