// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing
import TortureSupport

/// A container that swaps folders for links to outside while the daemon is at work on its volume.
@Suite(.timeLimit(.minutes(60)), .enabled(if: Machine.isRoot, "needs root, for owners"))
struct ContentRaceTests {
    /// What goes on while folders are swapped.
    enum Work: String, CaseIterable, Sendable { case df, snapshot, clone, export, remove, mode }

    private static let rounds = Torture.isFull ? 200 : 3
    private static let pairs = (0..<8).map { ("d\($0)", "l\($0)") }

    @Test(arguments: Work.allCases) func noSwapLeadsOutside(work: Work) async throws {
        try await withTemporaryDirectory { root in
            let canary = try await Canary(at: root.appending("outside"))
            let before = try await canary.description
            let swapper = Swapper()
            let losses = try await withDaemon(in: root) { daemon in
                var losses: [Torture.Loss] = []
                for round in 0..<Self.rounds {
                    try await run(work, round, daemon, canary, swapper)
                    losses += try await canary.losses(since: before, below: daemon.data, "round \(round)")
                }
                return losses
            }
            Torture.note("folders swapped for links: \(work)", times: swapper.swaps, acknowledged: Self.rounds, losses)
            #expect(swapper.swaps > 1000)
        }
    }

    private func run(
        _ work: Work, _ round: Int, _ daemon: RunningDaemon, _ canary: Canary, _ swapper: Swapper
    ) async throws {
        let scene = HostileContentTests.Scene(root: daemon.root, daemon: daemon, canary: canary)
        let name = "v\(round)"
        let outside = daemon.root.appending("host/\(name)")
        let isOutside = work == .mode
        try Directories.create(daemon.root.appending("host"), mode: 0o755)
        if isOutside {
            try Directories.create(outside.appending("d0"), mode: 0o755)
            let links = try Self.links(in: outside, to: canary.folder)
            #expect(links)
        }
        let options = isOutside ? #","Opts":{"mountpoint":"\#(outside)/d0","uid":"4711","mode":"0777"}"# : ""
        #expect(try await daemon.call("VolumeDriver.Create", #"{"Name":"\#(name)"\#(options)}"#) == "{}")
        let data = isOutside ? outside : daemon.data.appending("volumes/\(name)/data")
        if !isOutside {
            for (folder, _) in Self.pairs {
                try Directories.create(data.appending(folder).appending("inner"), mode: 0o755)
            }
            try await Shell.run(
                "cd '\(data)'; for i in $(seq 50); do for d in d*; do echo own >$d/file-$i; echo own >$d/inner/file-$i; done; done"
            )
            let links = try Self.links(in: data, to: canary.folder)
            #expect(links)
        }
        let stream = daemon.root.appending("\(name).tar")
        let pairs = isOutside ? [Self.pairs[0]] : Self.pairs
        // What fails does because something has just changed, and says so; the engine's user can try again.
        try await swapper.swapping(pairs, in: data) {
            switch work {
            case .df: _ = try await scene.attempt(["volume", "df", name])
            case .snapshot: _ = try await scene.attempt(["volume", "snapshot", name, "one"])
            case .clone: _ = try await scene.attempt(["volume", "clone", name, "copy-\(name)"])
            case .export: _ = try await scene.attempt(["volume", "export", name, "--output", stream.string])
            case .remove:
                try await scene.succeed("volume", "rm", name)
                try await scene.trashIsEmpty()
            case .mode:
                for _ in 0..<50 {
                    let request = #"{"Name":"\#(name)","ID":"c"}"#
                    _ = try await daemon.call("VolumeDriver.Mount", request)
                    _ = try await daemon.call("VolumeDriver.Unmount", request)
                }
            }
        }
        if work == .export { #expect(try await canary.leaks(below: stream) == "") }
    }

    private static func links(in folder: FilePath, to target: FilePath) throws -> Bool {
        pairs.allSatisfy { symlink(target.string, folder.appending($0.1).string) == 0 }
    }
}
