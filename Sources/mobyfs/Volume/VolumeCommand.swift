// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

struct VolumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volume",
        abstract: "List, make, change and remove volumes.",
        discussion: """
            All of these call the running daemon, and root alone may. The exit status is 0 if it was done, 1 if the \
            daemon refuses, and 2 if it cannot be asked or the command makes no sense.
            """,
        subcommands: [
            List.self, Inspect.self, Usage.self, Create.self, Clone.self, Set.self, Rename.self, Resize.self,
            Snapshot.self, Snapshots.self, Restore.self, Export.self, Import.self, Remove.self,
            Prune.self,
        ])
}
