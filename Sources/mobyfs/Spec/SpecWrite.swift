// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginServer

extension SpecCommand {
    struct Write: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write the spec file, unless one is there that mobyfs did not write.")

        @OptionGroup var options: Options

        func run() throws {
            try options.file.write(address: options.address)
        }
    }
}
