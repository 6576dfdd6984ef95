// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// Options as they are given on the command line: `NAME=VALUE`, or `NAME` for `true`.
struct GivenOptions: ParsableArguments {
    @Option(
        name: [.customShort("o"), .customLong("opt")],
        help: ArgumentHelp("An option, see mobyfs-volume-options(7). (repeatable)", valueName: "option=value"),
        completion: .optionNames)
    var words: [String] = []

    /// Those that a new volume is to have.
    func read() throws -> [String: String] { try Self.read(words) }

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
