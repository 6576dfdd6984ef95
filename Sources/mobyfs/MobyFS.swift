// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MobyFSDaemon

@main
struct MobyFS: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mobyfs",
        abstract: "Named volumes for Docker Engines that people can trust.",
        version: Daemon.version,
        subcommands: [
            StartCommand.self, VolumeCommand.self, TrashCommand.self, DriverCommand.self, SpecCommand.self,
            TLSCommand.self,
            PluginCommand.self,
        ])
}
