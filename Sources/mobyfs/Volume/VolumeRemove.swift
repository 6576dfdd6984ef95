// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MobyFSDaemon

extension VolumeCommand {
    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm",
            abstract: "Remove volumes that nobody holds, or snapshots.",
            discussion: """
                What becomes of the data is up to each volume's option on-remove. Volumes after one that cannot be \
                removed are removed all the same.
                """)

        @Argument(help: "The volumes; a snapshot is VOLUME@SNAPSHOT.", completion: .volumeNames)
        var names: [String]

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                let isDone = try await each(of: names) { name in
                    try await remove(name)
                    print(TerminalText.line(name))
                }
                guard isDone else { throw ExitCode.failure }
            }
        }

        private func remove(_ name: String) async throws {
            // No volume has an @ in its name.
            guard let at = name.firstIndex(of: "@") else {
                _ = try await daemon.call(RemoveVolume(name: name))
                return
            }
            let snapshot = String(name[name.index(after: at)...])
            _ = try await daemon.call(RemoveSnapshot(name: String(name[..<at]), snapshot: snapshot))
        }
    }
}
