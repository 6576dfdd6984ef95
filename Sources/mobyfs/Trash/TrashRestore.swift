// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MobyFSDaemon

extension TrashCommand {
    struct Restore: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "restore", abstract: "Make a removed volume a volume again.")

        @Argument(
            help: "Its name, or its ID if several of the name were removed.", completion: .trashItems)
        var item: String

        @Option(name: .customLong("as"), help: ArgumentHelp("Another name for it.", valueName: "name"))
        var newName: String?

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                let call = RestoreFromTrash(item: item, newName: newName)
                print(TerminalText.line(try await daemon.call(call).answer.name))
            }
        }
    }
}
