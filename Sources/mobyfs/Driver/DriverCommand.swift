// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

struct DriverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "driver",
        abstract: "Show the kinds of storage, their options, and what this host lacks for them.",
        subcommands: [List.self, Inspect.self])
}
