// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginDiscovery

extension SpecCommand {
    struct Write: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "write",
            abstract: "Write the spec file, unless one is there that mobyfs did not write.",
            discussion: """
                For unix:///PATH and tcp://HOST:PORT it is NAME.spec, for https://HOST:PORT NAME.json with what \
                engines need for TLS.
                """)

        @OptionGroup var options: Options

        @Option(help: "Where the plugin listens: unix:///PATH, tcp://HOST:PORT or https://HOST:PORT.")
        var address = SpecCommand.defaultAddress

        @OptionGroup var tls: TLSOptions

        @Flag(help: "Replace a file that mobyfs did not write.")
        var force = false

        func run() throws {
            let endpoint = try tls.endpoint(at: address)
            let file = try options.file()
            let form = try file.write(endpoint, replacingOthers: force)
            for concern in file.concerns(form) { TerminalText.complain("warning: \(concern)") }
        }
    }
}
