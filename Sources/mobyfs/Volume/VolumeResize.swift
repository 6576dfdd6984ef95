// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MobyFSDaemon
import MobyFSVolumes

extension VolumeCommand {
    struct Resize: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "resize",
            abstract: "Let a volume hold more or less.",
            discussion: """
                Containers that use the volume go on meanwhile. A volume is made smaller only where that is safe; else \
                it stays as it is, and the reason is said.

                The exit status is 0 if the volume has the size now, 1 if the daemon refuses, and 2 if it cannot be \
                asked or the command makes no sense.
                """)

        @Argument(help: "The volume.", completion: .volumeNames)
        var name: String

        @Argument(help: "Its size from now on: 512M or 10GiB (1024 each), 10GB (1000 each), or a number of bytes.")
        var size: String

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                let size = try await Interruption.leavesToDaemon(shownBy: "mobyfs volume inspect \(name)") {
                    try await daemon.call(ResizeVolume(name: name, size: self.size)).answer.size
                }
                let shown = ByteSize(size)?.description ?? size
                print(TerminalText.line("\(name): \(shown)"))
            }
        }
    }
}
