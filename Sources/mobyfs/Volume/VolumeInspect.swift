// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import FoundationEssentials
import MobyFSDaemon
import MobyFSVolumes

extension VolumeCommand {
    struct Inspect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "inspect",
            abstract: "Show a volume: its options, where its data is, and who holds it.")

        @Argument(help: "The volumes.", completion: .volumeNames)
        var names: [String]

        @Option(help: "table or json.")
        var format = OutputFormat.table

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                var shown: [JSONValue] = []
                let isComplete = try await each(of: names) { name in
                    let reply = try await daemon.call(InspectVolume(name: name))
                    if format == .table {
                        if !shown.isEmpty { print() }
                        for line in Self.lines(reply.answer) { print(TerminalText.line(line)) }
                    }
                    shown.append(reply.json)
                }
                if format == .json { print(TerminalText.json(JSONValue.array(shown).encoded)) }
                guard isComplete else { throw ExitCode.failure }
            }
        }

        private static func lines(_ volume: VolumeDetails) -> [String] {
            var lines = ["\(volume.name): driver \(volume.driver ?? "unknown")"]
            if let size = volume.options["size"] { lines.append("size: \(ByteSize(size)?.description ?? size)") }
            if let mountpoint = volume.mountpoint { lines.append("data: \(mountpoint)") }
            if let date = volume.createdAt { lines.append("created: \(date.formatted(.iso8601))") }
            if let plugin = volume.plugin { lines.append("created by the name: \(plugin)") }
            if let policy = volume.onRemove { lines.append("on removal: \(policy)") }
            if volume.isProtected { lines.append("protected: true") }
            for (name, value) in volume.options.sorted(by: { $0.key < $1.key })
            where !["size", "on-remove", "protected"].contains(name) {
                lines.append("option \(name): \(value)")
            }
            lines += volume.holders.map { holder in
                let engine = holder.engine.map { "the engine with process ID \($0)" } ?? "an engine"
                return "held: \(holder.id) by \(engine)" + (holder.count > 1 ? ", \(holder.count) times" : "")
            }
            lines += (volume.hosts ?? []).map { "mounted on host: \($0)" }
            if volume.holders.isEmpty { lines.append("held: by nobody") }
            if let warning = volume.warning { lines.append("warning: \(warning)") }
            if let trouble = volume.trouble { lines.append("trouble: \(trouble)") }
            return lines
        }
    }
}
