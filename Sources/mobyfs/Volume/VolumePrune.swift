// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MobyFSDaemon

extension VolumeCommand {
    struct Prune: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "prune",
            abstract: "Remove all volumes that no engine and no process holds.",
            discussion: """
                Containers that do not run hold nothing: their volumes are removed too. All data goes into the trash, \
                from where "mobyfs trash restore" brings it back, but for volumes with on-remove=keep, whose data stays \
                in its place. Volumes with protected=true are left alone, as are those in memory, which nothing would bring \
                back. No room is free before "mobyfs trash empty".
                """)

        @Flag(help: "Only say which volumes these are.")
        var dryRun = false

        @Flag(name: .shortAndLong, help: "Do not ask.")
        var force = false

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                if !dryRun, !force {
                    let names = try await daemon.call(PruneVolumes(dryRun: true)).answer.names
                    guard !names.isEmpty else { return }
                    for name in names { print(TerminalText.line(name)) }
                    guard try Question.isAffirmed("Remove these \(names.count) volumes?") else { throw ExitCode(1) }
                }
                let answer = try await daemon.call(PruneVolumes(dryRun: dryRun)).answer
                let names = answer.names
                if dryRun || force { for name in names { print(TerminalText.line(name)) } }
                for left in answer.left { TerminalText.complain("mobyfs: \(left.name): \(left.trouble)") }
                if !dryRun, !names.isEmpty {
                    TerminalText.complain(
                        "removed \(names.count); what \"mobyfs trash ls\" shows can be restored, and takes up room until "
                            + "\"mobyfs trash empty\"")
                }
                if !answer.left.isEmpty { throw ExitCode.failure }
            }
        }
    }
}
