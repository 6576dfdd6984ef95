// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MobyFSDaemon

extension VolumeCommand {
    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change options of a volume.",
            discussion: """
                These can be changed: uid, gid, mode, on-remove, trash-retention and protected. An empty value, as in \
                "uid=", takes an option away. The size is changed with "mobyfs volume resize".
                """)

        @Argument(help: "The volume.", completion: .volumeNames)
        var name: String

        @Argument(help: ArgumentHelp("What it is to have.", valueName: "option=value"))
        var options: [String]

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                if let word = options.first(where: { !$0.contains("=") }) {
                    throw ValidationError("'\(word)' is no option with a value: write NAME=VALUE")
                }
                _ = try await daemon.call(SetVolume(name: name, options: try GivenOptions.read(options)))
                print(TerminalText.line(name))
            }
        }
    }
}
