// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginDiscovery

extension SpecCommand {
    struct Write: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write the spec file, unless one is there that mobyfs did not write.")

        @OptionGroup var options: Options

        @Option(help: "Where the daemon listens.")
        var address = SpecCommand.defaultAddress

        func validate() throws {
            guard address.hasPrefix("unix:///") || address.hasPrefix("tcp://"),
                !address.contains(where: \.isWhitespace)
            else {
                throw ValidationError("--address '\(address)' is neither unix:///PATH nor tcp://HOST:PORT")
            }
        }

        func run() throws {
            try options.file().write(address: address)
        }
    }
}
