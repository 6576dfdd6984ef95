// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import MobyFSDaemon
import MobyFSVolumes

extension TrashCommand {
    struct Empty: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "empty",
            abstract: "Delete removed volumes for good.",
            discussion: "What is deleted takes its time in the background, and cannot be restored any more.")

        @Argument(help: "Names or IDs; all if none is given.", completion: .trashItems)
        var items: [String] = []

        @Option(help: ArgumentHelp("Only what was removed longer ago, such as 30d or 12h.", valueName: "time"))
        var olderThan: String?

        @Flag(name: .shortAndLong, help: "Do not ask.")
        var force = false

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                let date = try olderThan.map { text in
                    guard let seconds = OptionValue.seconds(in: text) else {
                        throw ValidationError("--older-than='\(text)' is not \(OptionValue.duration.syntax)")
                    }
                    return Date.now.addingTimeInterval(-Double(seconds))
                }
                if !force {
                    try await requireItems()
                    let what = items.isEmpty ? "everything in the trash" : items.joined(separator: ", ")
                    guard try Question.isAffirmed("Delete \(TerminalText.line(what)) for good?") else {
                        throw ExitCode(1)
                    }
                }
                let call = DeleteFromTrash(items: items, removedBefore: date)
                for id in try await daemon.call(call).answer.ids { print(TerminalText.line(id)) }
            }
        }

        /// Nobody is asked about what is not there.
        private func requireItems() async throws {
            let known = try await daemon.call(ListTrash()).answer.items
            if let missing = items.first(where: { item in !known.contains { [$0.name, $0.id].contains(item) } }) {
                throw CommandFailure("there is no '\(missing)' in the trash; 'mobyfs trash ls' shows what is")
            }
        }
    }
}
