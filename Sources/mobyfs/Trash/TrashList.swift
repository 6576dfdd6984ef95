// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import FoundationEssentials
import MobyFSDaemon

extension TrashCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List removed volumes, the oldest first.")

        @Option(help: "table or json.")
        var format = OutputFormat.table

        @Flag(name: .shortAndLong, help: "Print IDs only.")
        var quiet = false

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                let reply = try await daemon.call(ListTrash())
                let items = reply.answer.items
                if quiet {
                    for item in items { print(TerminalText.line(item.id)) }
                } else if format == .json {
                    print(reply.text(of: "items"))
                } else {
                    let header = ["NAME", "DRIVER", "REMOVED", "DELETED", "ID"]
                    for line in TerminalText.table([header] + items.map(Self.row)) { print(line) }
                }
            }
        }

        private static func row(_ item: TrashedVolume) -> [String] {
            func time(_ date: Date?) -> String? { date?.formatted(.iso8601) }
            return [
                item.name, item.driver, time(item.removedAt) ?? "-", time(item.expiresAt) ?? "when emptied", item.id,
            ]
        }
    }
}
