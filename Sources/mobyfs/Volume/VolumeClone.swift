// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MobyFSDaemon

extension VolumeCommand {
    struct Clone: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "clone",
            abstract: "Create a volume that begins with what another holds, or held.",
            discussion: """
                The same as "mobyfs volume create -o from=SOURCE NAME". The new volume is of the same kind and size \
                unless options say otherwise; it is on its own from then on.
                """)

        @Argument(help: "A volume, or VOLUME@SNAPSHOT.", completion: .volumeNames)
        var source: String

        @Argument(help: "The new volume's name.")
        var name: String

        @OptionGroup var options: GivenOptions

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                var given = try options.read()
                if given["from"] != nil { throw ValidationError("option 'from' is the first argument: leave it out") }
                given["from"] = source
                if try await exists() {
                    throw CommandFailure("there is a volume '\(name)' already: choose another name")
                }
                try await daemon.require(source)
                let options = given
                try await Interruption.leavesToDaemon(shownBy: "mobyfs volume ls") {
                    try await Progress.show(ofCopyFor: name, daemon) {
                        _ = try await daemon.call(CreateVolume(name: name, options: options))
                    }
                }
                print(TerminalText.line(name))
            }
        }

        /// To create what is there already with the same options is no error; to clone into it is.
        private func exists() async throws -> Bool {
            try await daemon.call(ListVolumes()).answer.volumes.contains { $0.name == name }
        }
    }
}
