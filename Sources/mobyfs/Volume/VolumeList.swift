// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import MobyFSDaemon

extension VolumeCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "ls", abstract: "List the volumes.")

        @Option(help: "table or json.")
        var format = OutputFormat.table

        @Flag(name: .shortAndLong, help: "Print names only.")
        var quiet = false

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                let reply = try await daemon.call(ListVolumes())
                let volumes = reply.answer.volumes
                if quiet {
                    for volume in volumes { print(TerminalText.line(volume.name)) }
                } else if format == .json {
                    print(reply.text(of: "volumes"))
                } else {
                    let header = ["NAME", "DRIVER", "SIZE", "MOUNTS", "STATE"]
                    for line in TerminalText.table([header] + volumes.map(Self.row)) { print(line) }
                }
            }
        }

        private static func row(_ volume: VolumeDetails) -> [String] {
            [
                volume.name, volume.driver ?? "-", SizeCell.text(volume.options["size"]), "\(volume.mountCount)",
                volume.trouble ?? (volume.isProtected ? "protected" : "ready"),
            ]
        }
    }
}
