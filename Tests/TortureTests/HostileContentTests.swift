// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing
import TortureSupport

/// Containers do what they want with what is in their volumes: nothing outside is ever read, changed or deleted for that.
@Suite(.timeLimit(.minutes(60)), .enabled(if: Machine.isRoot, "needs root, for owners, devices and mounts"))
struct HostileContentTests {
    /// A daemon with a volume `h`, and a canary beside it.
    struct Scene: Sendable {
        let root: FilePath
        let daemon: RunningDaemon
        let canary: Canary

        var trash: FilePath { daemon.data.appending("trash") }

        /// Runs a command of the program.
        ///
        /// - Returns: What it says of its failure; nil if it succeeded.
        func attempt(_ arguments: [String]) async throws -> String? {
            // What helpers are started with leaves a mark, which is no setting of the program.
            let program = HelperProgram("env", package: "coreutils")
            let command = ["-u", "MOBYFS_HELPER", RunningDaemon.binary.string]
            let options = ["--config", "/dev/null", "--runtime-dir", "\(root)/run"]
            do {
                // One that is ended because it does not end by itself is an error of another kind.
                try await program.run(
                    command + arguments + options, until: .now + .seconds(Torture.isFull ? 1000 : 60))
                return nil
            } catch let error as HelperError {
                guard case .failed = error.reason else { throw error }
                return error.lines.joined(separator: "\n")
            }
        }

        func succeed(_ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation) async throws {
            let failure = try await attempt(arguments)
            #expect(failure == nil, "\(arguments)", sourceLocation: sourceLocation)
        }

        /// Lets `body` work where a container would.
        func mounted<Result>(_ name: String, _ body: (FilePath) async throws -> Result) async throws -> Result {
            let request = #"{"Name":"\#(name)","ID":"c"}"#
            let reply = try await daemon.call("VolumeDriver.Mount", request)
            let path = try #require(try JSONValue(parsing: Array(reply.utf8))["Mountpoint"]?.string, "\(reply)")
            let result = try await body(FilePath(path))
            #expect(try await daemon.call("VolumeDriver.Unmount", request) == "{}")
            return result
        }

        func trashIsEmpty() async throws {
            // Long enough for the second attempt, a minute after the first.
            try await daemon.wait("all is deleted", within: .seconds(Torture.isFull ? 600 : 180)) { [trash] in
                try Directories.entries(of: trash).isEmpty
            }
        }
    }

    private func withScene(
        _ options: [String], onBtrfs: Bool = false, _ body: @escaping @Sendable (Scene) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { top in
            let root = top.appending("root")
            if onBtrfs {
                try await BtrfsPool.mount(image: top.appending("image"), at: root)
            } else {
                try Directories.create(root, mode: 0o755)
            }
            defer { if onBtrfs { BtrfsPool.unmount(root) } }
            // Where "../../../../outside" leads to from a folder of the volume.
            try Directories.create(root.appending("data"), mode: 0o711)
            let canary = try await Canary(at: root.appending("data/outside"))
            try await withDaemon(in: root) { daemon in
                let scene = Scene(root: root, daemon: daemon, canary: canary)
                let given = options.map { option in
                    let parts = option.split(separator: "=", maxSplits: 1)
                    return #""\#(parts[0])":"\#(parts[1])""#
                }
                let request = #"{"Name":"h","Opts":{\#(given.joined(separator: ","))}}"#
                #expect(try await daemon.call("VolumeDriver.Create", request) == "{}")
                try await body(scene)
            }
        }
    }

    private static let storages =
        [
            ["driver=directory"], ["driver=image", "size=256MiB"],
        ] + (Machine.hasBtrfs ? [["driver=btrfs"]] : [])

    @Test(arguments: storages) func nothingOutsideIsTouchedByAnything(options: [String]) async throws {
        let files = Torture.isFull ? (options[0] == "driver=image" ? 10_000 : 1_000_000) : 1_000
        try await withScene(options, onBtrfs: options == ["driver=btrfs"]) { scene in
            try await scene.mounted("h") { try await HostileTree.build(in: $0, around: scene.canary, files: files) }
            let before = try await scene.canary.description
            var (steps, losses): (Int, [Torture.Loss]) = (0, [])
            func unharmed(_ step: String) async throws {
                steps += 1
                losses += try await scene.canary.losses(
                    since: before, below: scene.daemon.data.appending("volumes"), "\(step)")
            }
            try await scene.succeed("volume", "df", "h")
            try await unharmed("df")
            try await scene.succeed("volume", "set", "h", "mode=2750")
            try await scene.mounted("h") { #expect($0.attributes.mode == 0o2750) }
            try await unharmed("mode")
            try await scene.succeed("volume", "snapshot", "h", "one")
            try await unharmed("snapshot")
            try await scene.succeed("volume", "restore", "--force", "h", "one")
            try await unharmed("restore")
            try await scene.succeed("volume", "clone", "h", "copy")
            try await unharmed("clone")
            let stream = scene.root.appending("h.tar")
            try await scene.succeed("volume", "export", "h", "--output", stream.string)
            #expect(try await scene.canary.leaks(below: stream) == "")
            try await unharmed("export")
            let failure = try await scene.attempt(["volume", "import", "new", "--input", stream.string])
            #expect(failure?.contains("device node") == true)
            try await unharmed("import")
            try await scene.succeed("volume", "rm", "copy")
            try await scene.trashIsEmpty()
            try await unharmed("remove")
            try await scene.succeed("volume", "prune", "--force")
            try await scene.succeed("trash", "restore", "h")
            try await unharmed("restore from the trash")
            try await scene.succeed("volume", "prune", "--force")
            try await scene.succeed("trash", "empty", "--force")
            try await scene.trashIsEmpty()
            try await unharmed("empty the trash")
            Torture.note("hostile content, \(options[0])", times: steps, acknowledged: steps, losses)
        }
    }

    /// Deeper than a path can be long.
    @Test(arguments: [["driver=directory"]] + (Machine.hasBtrfs ? [["driver=btrfs"]] : []))
    func depthIsNoShelter(options: [String]) async throws {
        try await withScene(options, onBtrfs: options == ["driver=btrfs"]) { scene in
            try await scene.mounted("h") { try HostileTree.nest(4096, in: $0) }
            try await scene.succeed("volume", "df", "h")
            try await scene.succeed("volume", "export", "h", "--output", scene.root.appending("h.tar").string)
            let failure = try await scene.attempt(["volume", "snapshot", "h", "one"])
            if let failure { #expect(failure.contains("too deep") && failure.utf8.count < 1000) }
            try await scene.succeed("volume", "rm", "h")
            try await scene.trashIsEmpty()
        }
    }

    @Test func whatIsMountedInsideIsNeitherReadNorDeleted() async throws {
        try await withScene(["driver=directory"]) { scene in
            let path = scene.daemon.data.appending("volumes/h/data")
            try Directories.create(path.appending("d/mounted"), mode: 0o755)
            try path.appending("file").write("own")
            try path.appending("d/file").write("own")
            // On the same file system, which no device number tells apart.
            try Mounts.bind(scene.canary.folder, at: path.appending("d/mounted"))
            try Mounts.bind(scene.canary.folder.appending("file-1"), at: path.appending("file"))
            defer { for name in ["d/mounted", "file"] { try? Mounts.unmount(path.appending(name), detaching: true) } }
            let before = try await scene.canary.description
            let stream = scene.root.appending("h.tar")
            try await scene.succeed("volume", "export", "h", "--output", stream.string)
            #expect(try await scene.canary.leaks(below: stream) == "")
            try await scene.succeed("volume", "snapshot", "h", "one")
            let snapshots = scene.daemon.data.appending("volumes/h/snapshots")
            #expect(try await scene.canary.leaks(below: snapshots) == "")
            try await scene.succeed("volume", "clone", "h", "copy")
            #expect(try await scene.canary.leaks(below: scene.daemon.data.appending("volumes/copy")) == "")
            let failure = try await scene.attempt(["volume", "rm", "h"])
            #expect(failure?.contains("unmount it first") == true, "\(failure ?? "")")
            #expect(try await scene.canary.description == before)
            for name in ["d/mounted", "file"] { try Mounts.unmount(path.appending(name)) }
            try await scene.succeed("volume", "rm", "h")
            try await scene.trashIsEmpty()
            #expect(try await scene.canary.description == before)
        }
    }
}
