// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginDiscovery

extension SpecCommand {
    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove",
            abstract: "Remove the spec file, unless mobyfs did not write it.",
            discussion: "The exit status is 1 if a file stays for that, and 0 if there is none.")

        @OptionGroup var options: Options

        @Option(help: "Remove it only if it says this address.")
        var address: String?

        @Flag(help: "Remove a file that mobyfs did not write, too.")
        var force = false

        func run() throws {
            // A daemon that cannot start for its configuration is not to be waited for either.
            let file = SpecFile(name: options.name, directory: options.place.directoryAnyhow())
            if let address {
                if try file.addressOfOurs() == address {
                    try file.remove()
                } else {
                    try file.remove(saying: PluginEndpoint(PluginAddress(address)))
                }
            } else if try file.remove(includingOthers: force).isEmpty {
                // Where the file system does not tell who wrote a file, the address does.
                try file.remove(saying: PluginEndpoint(PluginAddress(SpecCommand.defaultAddress)))
            }
            try complain(of: file)
        }

        /// Says which files stay, and why.
        private func complain(of file: SpecFile) throws {
            let there = try file.lookUp().candidates.map(\.path)
            let left = SpecFile.Form.allCases.filter { there.contains(file.path($0)) }
            for form in left {
                let path = file.path(form)
                TerminalText.complain(
                    try address == nil || !file.isOurs(form)
                        ? "mobyfs: '\(path)' stays, for mobyfs did not write it: to remove it all the same, add --force"
                        : "mobyfs: '\(path)' stays, for it says another address: \(try file.addressOfOurs() ?? "none")")
            }
            guard left.isEmpty else { throw ExitCode.failure }
        }
    }
}
