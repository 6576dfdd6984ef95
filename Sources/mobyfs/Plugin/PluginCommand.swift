// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

struct PluginCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plugin",
        abstract: "Find, call, check, install and remove plugins.",
        subcommands: [Install.self, Enable.self, Disable.self, Remove.self])
}
