// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import FoundationEssentials
import MobyFSDaemon

extension VolumeCommand {
    struct Snapshots: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "snapshots", abstract: "List the snapshots of a volume, the oldest first.")

        @Argument(help: "The volume.", completion: .volumeNames)
        var name: String

        @Option(help: "table or json.")
        var format = OutputFormat.table

        @Flag(name: .shortAndLong, help: "Print names only, as VOLUME@SNAPSHOT.")
        var quiet = false

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                let reply = try await daemon.call(ListSnapshots(name: name))
                let snapshots = reply.answer.snapshots
                if quiet {
                    for snapshot in snapshots { print(TerminalText.line("\(name)@\(snapshot.name)")) }
                } else if format == .json {
                    print(reply.text(of: "snapshots"))
                } else {
                    let rows = snapshots.map { snapshot in
                        [
                            snapshot.name, snapshot.createdAt.formatted(.iso8601), SizeCell.text(snapshot.size),
                            snapshot.scheduled ? "schedule" : "hand",
                        ]
                    }
                    for line in TerminalText.table([["SNAPSHOT", "MADE", "SIZE", "BY"]] + rows) { print(line) }
                }
            }
        }
    }
}
