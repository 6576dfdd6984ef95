// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MobyFSDaemon
import MobyFSVolumes

extension VolumeCommand {
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create a volume, which engines see at once.",
            discussion: "One that is there already with the same options is fine, as it is for engines.")

        @Argument(help: "The volume's name.")
        var name: String

        @Option(
            name: [.customShort("o"), .customLong("opt")],
            help: ArgumentHelp("An option, see mobyfs-volume-options(7). (repeatable)", valueName: "option=value"),
            completion: .optionNames)
        var options: [String] = []

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                let given = try GivenOptions.read(options)
                try await Interruption.leavesToDaemon(shownBy: "mobyfs volume ls") {
                    try await Progress.show(ofCopyFor: name, daemon) {
                        _ = try await daemon.call(CreateVolume(name: name, options: given))
                    }
                }
                print(TerminalText.line(name))
            }
        }
    }
}

/// Options as they are given on the command line: `NAME=VALUE`, or `NAME` for `true`.
enum GivenOptions {
    static func read(_ words: [String]) throws -> [String: String] {
        var options: [String: String] = [:]
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let (name, value) = (parts[0], parts.count > 1 ? parts[1] : "")
            guard !name.isEmpty else { throw ValidationError("'\(word)' is no option: write NAME=VALUE") }
            guard options.updateValue(value, forKey: name) == nil else {
                throw ValidationError("option '\(name)' is given twice: leave one out")
            }
        }
        return options
    }
}
