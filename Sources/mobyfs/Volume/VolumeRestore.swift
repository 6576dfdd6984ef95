// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MobyFSDaemon

extension VolumeCommand {
    struct Restore: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "restore",
            abstract: "Let a volume that nobody holds hold again what it held when a snapshot was made.",
            discussion: """
                What it holds now is lost: make a snapshot of that first if it may still be wanted. The snapshot stays.
                """)

        @Argument(help: "The volume.", completion: .volumeNames)
        var name: String

        @Argument(help: "The snapshot.", completion: .snapshotNames)
        var snapshot: String

        @Flag(name: .shortAndLong, help: "Do not ask.")
        var force = false

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                let question = "Replace what '\(name)' holds by its snapshot '\(snapshot)'?"
                if !force {
                    // Nobody is asked about what is not there.
                    try await daemon.requireSnapshot(snapshot, of: name)
                    guard try Question.isAffirmed(TerminalText.line(question)) else { throw ExitCode(1) }
                }
                // Until then others find the volume busy.
                try await Interruption.leavesToDaemon(shownBy: "journalctl -u mobyfs VOLUME_NAME=\(name)") {
                    try await Progress.show(ofCopyFor: name, daemon) {
                        _ = try await daemon.call(RestoreSnapshot(name: name, snapshot: snapshot))
                    }
                }
                print(TerminalText.line(name))
            }
        }
    }
}
