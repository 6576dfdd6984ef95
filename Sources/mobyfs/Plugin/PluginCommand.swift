// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginDiscovery
import MobyFSVolumes

struct PluginCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plugin",
        abstract: "Find, call, check, install and remove plugins.",
        subcommands: [
            List.self, Discover.self, Call.self, Verify.self, Install.self, Enable.self, Disable.self, Remove.self,
        ])

    /// Where plugins are looked for.
    struct Directories: ParsableArguments {
        @Option(help: "Where sockets are looked for. (default: \(PluginDirectories().sockets))")
        var socketDir: String?

        @Option(
            help: """
                Where spec files are looked for; may be given again. \
                (default: \(PluginDirectories().specs.joined(separator: ", ")))
                """)
        var specDir: [String] = []

        var discovery: PluginDiscovery {
            var directories = PluginDirectories()
            if let socketDir { directories.sockets = AbsolutePath.of(socketDir) }
            if !specDir.isEmpty { directories.specs = specDir.map { AbsolutePath.of($0) } }
            return PluginDiscovery(directories: directories)
        }
    }

    /// A plugin by its name, or by its address.
    struct Target: Sendable {
        /// How it is reached.
        let endpoint: PluginEndpoint
        /// What was found under its name; nil for an address.
        let lookup: PluginLookup?

        /// Whether a word on the command line is an address rather than a name.
        static func isAddress(_ text: String) -> Bool { text.contains("://") || text.hasPrefix("unix:") }

        /// Finds what is meant.
        ///
        /// - Parameters:
        ///   - text: A name or an address.
        ///   - tls: For an address, what TLS to speak; for a name its file says that.
        ///   - directories: Where to look for a name.
        /// - Throws: ``PluginDiscoveryError`` if there is no such plugin, `ValidationError` if that makes no sense.
        init(_ text: String, tls: TLSOptions, in directories: Directories) throws {
            if Self.isAddress(text) {
                endpoint = try tls.endpoint(at: text)
                lookup = nil
                return
            }
            if text.hasPrefix("/") {
                throw ValidationError("'\(text)' is no name: for a socket, write unix://\(text)")
            }
            if tls.isGiven {
                throw ValidationError(
                    "'\(text)' is a name: what TLS to speak is in its file; TLS options are for https://")
            }
            let lookup = try directories.discovery.lookUp(text)
            self.lookup = lookup
            endpoint = try lookup.endpoint
        }
    }

    /// How far a command got, as exit status.
    enum Status {
        /// The plugin answered with an error, or something is wrong with its file.
        static let refused = ExitCode(1)
        /// There is no such plugin, or it cannot be reached.
        static let unreachable = ExitCode(2)
    }

    /// Complains about a name that is not there, and says which ones are.
    static func complain(_ error: PluginDiscoveryError, name: String, in directories: Directories) {
        TerminalText.complain("mobyfs: \(error)")
        guard error.isMissing else { return }
        let names = directories.discovery.names
        if let nearest = Suggestion.nearest(to: name, in: names) {
            TerminalText.complain("did you mean '\(nearest)'?")
        }
        guard !names.isEmpty else { return }
        let more = names.count > 20 ? " and \(names.count - 20) more" : ""
        TerminalText.complain("known here: \(names.prefix(20).joined(separator: ", "))\(more)")
    }
}
