// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MobyFSDaemon

extension VolumeCommand {
    struct Snapshot: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "snapshot",
            abstract: "Keep what a volume holds now.",
            discussion: """
                On btrfs, and for images where the pool's file system can share blocks, a snapshot takes a moment and \
                can be made while containers use the volume: it is what a power cut would leave. Else everything is \
                copied, and only while nobody uses the volume.

                With --scheduled, the snapshots are made that are due by the options snapshot-schedule of all volumes, \
                and those deleted that are too many by snapshot-keep; mobyfs-snapshots.timer does that each hour.
                """)

        @Argument(help: "The volume.", completion: .volumeNames)
        var name: String?

        @Argument(help: "What the snapshot is to be called. (default: the time)")
        var snapshot: String?

        @Flag(help: "Make the snapshots of all volumes that are due.")
        var scheduled = false

        @OptionGroup var daemon: DaemonOptions

        func validate() throws {
            if scheduled, name != nil { throw ValidationError("--scheduled is for all volumes: give no name") }
            if !scheduled, name == nil { throw ValidationError("Give a volume, or --scheduled") }
        }

        func run() async throws {
            try await reportingFailure {
                guard let name else { return try await makeScheduled() }
                let made = try await Interruption.leavesToDaemon(shownBy: "mobyfs volume snapshots \(name)") {
                    try await Progress.show(ofCopyFor: name, daemon) {
                        try await daemon.call(CreateSnapshot(name: name, snapshot: snapshot)).answer.snapshot
                    }
                }
                print(TerminalText.line("\(name)@\(made)"))
            }
        }

        private func makeScheduled() async throws {
            let outcomes = try await daemon.call(MakeScheduledSnapshots()).answer.snapshots
            for outcome in outcomes {
                if let snapshot = outcome.snapshot { print(TerminalText.line("\(outcome.name)@\(snapshot)")) }
                if let trouble = outcome.trouble { TerminalText.complain("mobyfs: \(outcome.name): \(trouble)") }
            }
            if outcomes.contains(where: { $0.trouble != nil }) { throw ExitCode(1) }
        }
    }
}
