// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import DockerPluginClient
import DockerPluginDiscovery
import Glibc

extension PluginCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls",
            abstract: "List every plugin of this host.",
            discussion: """
                Each is asked what it implements, as each engine asks it when it starts; all at the same time. Managed \
                plugins are listed as the engine tells of them, and not asked.
                """)

        @Option(help: "table or json.")
        var format = OutputFormat.table

        @Flag(name: .shortAndLong, help: "Print names only, and ask nobody.")
        var quiet = false

        @Option(help: "How many seconds all answers together may take.")
        var timeout = 3.0

        @Flag(help: "Ask no plugin anything.")
        var noActivate = false

        @Option(help: "The socket of the engine that is asked for managed plugins.")
        var engineSocket = "/var/run/docker.sock"

        @OptionGroup var directories: Directories

        func validate() throws {
            guard timeout > 0, timeout <= 3600 else {
                throw ValidationError("--timeout '\(timeout)' is no time to wait: a number of seconds above 0")
            }
        }

        func run() async throws {
            let end = ContinuousClock.now + .seconds(timeout)
            async let managed = managedPlugins(until: end)
            var plugins = await legacyPlugins(until: end)
            do {
                plugins += try await managed
            } catch {
                TerminalText.complain("mobyfs: managed plugins are not listed: \(error)")
            }
            if let problem = directories.discovery.scan(as: .v25).problem {
                let isOurs = geteuid() != 0 && problem.hasSuffix("permission denied")
                TerminalText.complain(
                    isOurs
                        ? "mobyfs: only root sees all that engines find: \(problem)"
                        : "mobyfs: Docker 18.03 and later list no plugin at all: \(problem)")
            }
            plugins.sort { ($0.name, $0.kind) < ($1.name, $1.kind) }
            if quiet {
                for plugin in plugins { print(TerminalText.line(plugin.name)) }
            } else if format == .json {
                print(TerminalText.json(JSONValue.array(plugins.map(\.json)).encoded))
            } else {
                let header = ["NAME", "KIND", "ADDRESS", "STATE", "IMPLEMENTS", "TIME", "NOTE"]
                for line in TerminalText.table([header] + plugins.map(\.row)) { print(line) }
            }
        }

        private func legacyPlugins(until end: ContinuousClock.Instant) async -> [ListedPlugin] {
            let discovery = directories.discovery
            let isAsked = !noActivate && !quiet
            let names = discovery.names
            return await withTaskGroup(of: ListedPlugin?.self) { group in
                var listed: [ListedPlugin] = []
                var waiting = names[...]
                // So many at a time, for each takes a descriptor.
                for _ in 0..<256 {
                    guard let name = waiting.popFirst() else { break }
                    group.addTask { await ListedPlugin(name, discovery, isAsked: isAsked, until: end) }
                }
                for await plugin in group {
                    if let plugin { listed.append(plugin) }
                    guard let name = waiting.popFirst() else { continue }
                    group.addTask { await ListedPlugin(name, discovery, isAsked: isAsked, until: end) }
                }
                return listed
            }
        }
    }
}
