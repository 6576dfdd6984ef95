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

        func run() throws {
            let file = try options.file()
            if let address {
                try file.remove(address: address)
            } else if try !file.remove() {
                // Where the file system does not tell who wrote a file, the address does.
                try file.remove(address: SpecCommand.defaultAddress)
            }
        }
    }
}
