// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginServer

struct SpecCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spec",
        abstract: "Write or remove the file by which engines find the daemon.",
        subcommands: [Write.self, Remove.self])

    /// Which file, and what it says.
    struct Options: ParsableArguments {
        @Option(help: "The name that engines are to know the plugin by.")
        var name = "mobyfs"

        @Option(help: "Where the daemon listens.")
        var address = "unix:///run/mobyfs/mobyfs.sock"

        @Option(help: "Where engines look.")
        var specDir = "/etc/docker/plugins"

        func validate() throws {
            guard !name.isEmpty, !name.hasPrefix("."), !name.contains("/") else {
                throw ValidationError("--name '\(name)' is no name for a plugin")
            }
            guard address.hasPrefix("unix:///") || address.hasPrefix("tcp://"), !address.contains(where: \.isWhitespace)
            else {
                throw ValidationError("--address '\(address)' is neither unix:///PATH nor tcp://HOST:PORT")
            }
        }

        var file: SpecFile { SpecFile(name: name, directory: specDir) }
    }
}
