// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MobyFSDaemon

extension VolumeCommand {
    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set",
            abstract: "Change options of a volume.",
            discussion: """
                These can be changed: uid, gid, mode, on-remove, trash-retention, protected, snapshot-schedule and \
                snapshot-keep. Without a value, "protected" is "protected=true"; an empty value, as in "uid=", takes an \
                option away. The size is changed with "mobyfs volume resize".
                """)

        @Argument(help: "The volume.", completion: .volumeNames)
        var name: String

        @Argument(
            help: ArgumentHelp("What it is to have.", valueName: "option=value"),
            completion: .list([
                "uid=", "gid=", "mode=", "on-remove=", "trash-retention=", "protected=", "snapshot-schedule=",
                "snapshot-keep=",
            ]))
        var options: [String]

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                // As engines take it; an empty value means something else here.
                let words = options.map { $0.contains("=") ? $0 : "\($0)=true" }
                _ = try await daemon.call(SetVolume(name: name, options: try GivenOptions.read(words)))
                print(TerminalText.line(name))
            }
        }
    }
}
