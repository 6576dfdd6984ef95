// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginServer

extension SpecCommand {
    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove the spec file if it says the address and so is ours.")

        @OptionGroup var options: Options

        func run() throws {
            try options.file.remove(address: options.address)
        }
    }
}
