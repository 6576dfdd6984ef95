// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MobyFSDaemon
import MobyFSVolumes

extension VolumeCommand {
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create",
            abstract: "Create a volume, which engines see at once.",
            discussion: "One that is there already with the same options is fine, as it is for engines.")

        @Argument(help: "The volume's name.")
        var name: String

        @OptionGroup var options: GivenOptions

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                let given = try options.read()
                try await Interruption.leavesToDaemon(shownBy: "mobyfs volume ls") {
                    try await Progress.show(ofCopyFor: name, daemon) {
                        _ = try await daemon.call(CreateVolume(name: name, options: given))
                    }
                }
                print(TerminalText.line(name))
            }
        }
    }
}
