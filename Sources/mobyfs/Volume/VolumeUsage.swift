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

                The exit status is 1 if the figures of a volume that is named cannot be had. Without names, those that \
                cannot be had are "-".
                """)

        @Argument(help: "The volumes; all if none is given.", completion: .volumeNames)
        var names: [String] = []

        @Option(help: "table or json.")
        var format = OutputFormat.table

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                var volumes: [UsageDetails] = []
                var json: [JSONValue] = []
                func ask(_ names: [String]) async throws {
                    let reply = try await daemon.call(ListUsage(names: names))
                    volumes += reply.answer.volumes
                    json += reply.json["volumes"]?.array ?? []
                }
                var isComplete = true
                if names.isEmpty {
                    try await ask([])
                } else {
                    isComplete = try await each(of: names) { try await ask([$0]) }
                }
                if format == .json {
                    print(TerminalText.json(JSONValue.array(json).encoded))
                } else if !volumes.isEmpty || isComplete {
                    let header = ["NAME", "DRIVER", "SIZE", "USED", "FREE", "FILES", "FROM"]
                    for line in TerminalText.table([header] + volumes.map(Self.row)) { print(line) }
                    for volume in volumes {
                        if let trouble = trouble(of: volume) {
                            TerminalText.complain("mobyfs: \(volume.name): \(trouble)")
                        }
                    }
                }
                if !isComplete || volumes.contains(where: { $0.trouble != nil && !names.isEmpty }) {
                    throw ExitCode.failure
                }
            }
        }

        /// What is wrong with a volume whose figures are missing.
        ///
        /// One that is mounted elsewhere has none between containers, which nobody asking for all has to be told.
        private func trouble(of volume: UsageDetails) -> String? {
            if names.isEmpty, volume.trouble?.hasSuffix("is not mounted") == true { return nil }
            return volume.trouble.map {
                $0.hasSuffix("is not mounted") ? "\($0): it has figures while a container uses it" : $0
            }
        }

        private static func row(_ volume: UsageDetails) -> [String] {
            [
                volume.name, volume.driver ?? "-", SizeCell.text(volume.size), SizeCell.text(volume.used),
                SizeCell.text(volume.free),
                volume.inodes.map { "\($0)" } ?? "-", volume.source ?? "-",
            ]
        }
    }
}
