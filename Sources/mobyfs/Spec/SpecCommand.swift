// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginDiscovery

struct SpecCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spec",
        abstract: "Write, show or remove the file by which engines find a plugin.",
        subcommands: [Write.self, Show.self, Remove.self])

    /// Which file, and what it says.
    struct Options: ParsableArguments {
        @Option(help: "The name that engines are to know the plugin by.")
        var name = "mobyfs"

        @OptionGroup var place: SpecPlace

        func validate() throws {
            // Where engines find a hidden file, people do not.
            guard (try? SpecFile(name: name).lookUp()) != nil,
                !name.split(separator: "/").contains(where: { $0.hasPrefix(".") })
            else {
                throw ValidationError("--name '\(name)' is no name for a plugin")
            }
        }

        /// The file that is meant.
        func file() throws -> SpecFile {
            SpecFile(name: name, directory: try place.directory())
        }
    }

    /// Where the socket unit of the package listens.
    static let defaultAddress = "unix:///run/mobyfs/mobyfs.sock"
}
