// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import MobyFSDaemon
import MobyFSVolumes

extension VolumeCommand {
    struct Usage: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "df",
            abstract: "Show how full volumes are.",
            discussion: """
                FROM says who has counted: the quota, the quota group or the file system of the volume; the image in \
                the pool, where it is not mounted; or mobyfs itself, file by file, where nobody else counts. FREE is \
                what the kernel would still let a container write.

                The exit status is 1 if the figures of a volume cannot be had.
                """)

        @Argument(help: "The volumes; all if none is given.", completion: .volumeNames)
        var names: [String] = []

        @Option(help: "table or json.")
        var format = OutputFormat.table

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                let reply = try await daemon.call(ListUsage(names: names))
                let volumes = reply.answer.volumes
                if format == .json {
                    print(reply.text(of: "volumes"))
                } else {
                    let header = ["NAME", "DRIVER", "SIZE", "USED", "FREE", "FILES", "FROM"]
                    for line in TerminalText.table([header] + volumes.map(Self.row)) { print(line) }
                    for volume in volumes {
                        if let trouble = volume.trouble { TerminalText.complain("mobyfs: \(volume.name): \(trouble)") }
                    }
                }
                if volumes.contains(where: { $0.trouble != nil && !names.isEmpty }) { throw ExitCode(1) }
            }
        }

        private static func row(_ volume: UsageDetails) -> [String] {
            func size(_ bytes: UInt64?) -> String { bytes.map { ByteSize(bytes: $0).rounded } ?? "-" }
            return [
                volume.name, volume.driver ?? "-", size(volume.size), size(volume.used), size(volume.free),
                volume.inodes.map { "\($0)" } ?? "-", volume.source ?? "-",
            ]
        }
    }
}
