// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginDiscovery

extension SpecCommand {
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show each file of a name in the order in which engines look, and what they make of it.",
            discussion: "The exit status is 1 if there is none.")

        @OptionGroup var options: Options

        func run() throws {
            let file = try options.file()
            let lookup = try file.lookUp()
            guard !lookup.candidates.isEmpty else {
                TerminalText.complain(
                    "mobyfs: no plugin '\(file.name)': no file tells engines of it; 'mobyfs spec write' makes one")
                throw ExitCode.failure
            }
            for candidate in lookup.candidates {
                let address = candidate.endpoint.map { " \($0.address)" } ?? ""
                let author = try author(of: candidate, file)
                let lines = ["\(candidate.path)\(address) (\(author), \(candidate.verdict.text))"]
                let remarks = ([candidate.problem].compactMap { $0 } + candidate.remarks).map { "  \($0)" }
                for line in lines + remarks { print(TerminalText.line(line)) }
            }
        }

        private func author(of candidate: PluginCandidate, _ file: SpecFile) throws -> String {
            guard let form = SpecFile.Form.allCases.first(where: { file.path($0) == candidate.path }) else {
                return candidate.form == .socket ? "a socket" : "not written by mobyfs"
            }
            return try file.isOurs(form) ? "written by mobyfs" : "not written by mobyfs"
        }
    }
}

extension PluginCandidate.Verdict {
    fileprivate var text: String {
        switch self {
        case .taken: "engines take this one"
        case .shadowed: "engines do not get this far"
        case .passedOver(let reason): "engines pass it over: \(reason)"
        }
    }
}
