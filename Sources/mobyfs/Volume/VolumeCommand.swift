// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

struct VolumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "volume",
        abstract: "Do with volumes what engines cannot ask for.",
        subcommands: [Resize.self])
}
