// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

struct TrashCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trash",
        abstract: "Look after removed volumes whose data is still there.",
        discussion: """
            These are volumes with on-remove=trash, and those that "mobyfs volume prune" has removed. The exit status \
            is that of "mobyfs volume".
            """,
        subcommands: [List.self, Restore.self, Empty.self])
}
