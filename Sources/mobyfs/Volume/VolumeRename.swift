// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MobyFSDaemon

extension VolumeCommand {
    struct Rename: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rename",
            abstract: "Give a volume that nobody holds another name.",
            discussion: """
                Containers that were made with the old name do not find the volume any more: engines know volumes by \
                their names alone.
                """)

        @Argument(help: "The volume.", completion: .volumeNames)
        var name: String

        @Argument(help: "Its name from now on.")
        var newName: String

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                _ = try await daemon.call(RenameVolume(name: name, newName: newName))
                print(TerminalText.line(newName))
            }
        }
    }
}
