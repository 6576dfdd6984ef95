// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginDiscovery

extension SpecCommand {
    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove the spec file, unless mobyfs did not write it.")

        @OptionGroup var options: Options

        @Option(help: "Remove it only if it says this address.")
        var address: String?

        @Flag(help: "Remove a file that mobyfs did not write, too.")
        var force = false

        func run() throws {
            let file = try options.file()
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
        }
    }
}
