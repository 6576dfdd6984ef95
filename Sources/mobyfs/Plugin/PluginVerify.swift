// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import DockerPluginClient
import DockerPluginDiscovery
import MobyFSVolumes
import PluginConformance
import SystemPackage

extension PluginCommand {
    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify",
            abstract: "Check whether a plugin keeps to the protocol.",
            discussion: """
                A line for each rule, with what was sent and what came back where it is broken. Nothing is changed, but \
                for what the plugin does at Plugin.Activate, which each engine sends at its start. With --destructive, \
                volumes named mobyfs-verify-... are made, mounted and removed, some of them with hostile names: not for \
                a plugin that others depend on.

                The exit status is 0 if no required rule is broken, 1 if one is, and 2 if there is no such plugin or it \
                cannot be reached.
                """)

        enum Format: String, ExpressibleByArgument, CaseIterable { case table, json, junit }

        @Argument(help: "The name of a plugin, or its address: unix:///PATH, tcp://HOST:PORT or https://HOST:PORT.")
        var plugin: String?

        @Flag(help: "Make, mount and remove volumes as well.")
        var destructive = false

        @Option(
            name: [.customShort("o"), .customLong("opt")],
            help: "Make volumes with this option, KEY=VALUE. (repeatable)")
        var options: [String] = []

        @Option(help: "Check these rules only, with commas between. (repeatable)")
        var only: [String] = []

        @Flag(help: "List the rules and where they come from; no plugin is asked.")
        var list = false

        @Option(help: "How many seconds an answer may take.")
        var timeout = 60.0

        @Option(help: "table, json or junit.")
        var format = Format.table

        @Flag(name: .shortAndLong, help: "Say what was sent and what came back for rules that are kept, too.")
        var verbose = false

        @OptionGroup var tls: TLSOptions

        @OptionGroup var directories: Directories

        func validate() throws {
            guard list || plugin != nil else { throw ValidationError("which plugin? give its name or its address") }
            guard !list || format != .junit else { throw ValidationError("--list knows the formats table and json") }
            guard timeout > 0, timeout <= 3600 else {
                throw ValidationError("--timeout '\(timeout)' is no time to wait: a number of seconds above 0")
            }
            _ = try (checks, volumeOptions)
        }

        func run() async throws {
            try await reportingFailure {
                guard !list, let plugin else { return try listChecks() }
                let report = try await suite().run(plugin, at: target(plugin).endpoint)
                switch format {
                case .table: Self.say(TextReport.summary(report))
                case .json: Self.say(TerminalText.json(JSONReport.value(report).encoded))
                case .junit: Self.say(JUnitReport.text(report))
                }
                for leftover in report.leftovers { TerminalText.complain("mobyfs: left behind: \(leftover)") }
                if !report.isConforming { throw ExitCode(1) }
            }
        }

        private func target(_ plugin: String) throws -> Target {
            do {
                return try Target(plugin, tls: tls, in: directories)
            } catch let error as PluginDiscoveryError {
                PluginCommand.complain(error, name: plugin, in: directories)
                throw Status.unreachable
            }
        }

        private func suite() throws -> ConformanceSuite {
            var suite = ConformanceSuite()
            suite.checks = try checks
            suite.options = try volumeOptions
            suite.allowsChanges = destructive
            suite.limits.call = .seconds(timeout)
            suite.limits.check = max(suite.limits.check, .seconds(timeout * 2.5))
            if format == .table {
                suite.whenChecked = { [verbose] in Self.say(TextReport.line($0, isVerbose: verbose)) }
            }
            return suite
        }

        /// What was asked for with --only, in the usual order.
        private var checks: [Check] {
            get throws {
                let ids = only.flatMap { $0.split(separator: ",").map(String.init) }
                if ids.isEmpty { return Check.all }
                let known = Check.all.map(\.id)
                if let unknown = ids.first(where: { !known.contains($0) }) {
                    let nearest = Suggestion.nearest(to: unknown, in: known).map { "; did you mean '\($0)'?" } ?? ""
                    throw ValidationError("there is no rule '\(unknown)': --list lists them\(nearest)")
                }
                return Check.all.filter { ids.contains($0.id) }
            }
        }

        private var volumeOptions: [String: String] {
            get throws {
                try options.reduce(into: [:]) { result, option in
                    guard let equals = option.firstIndex(of: "="), equals != option.startIndex else {
                        throw ValidationError("--opt '\(option)' is not KEY=VALUE")
                    }
                    result[String(option[..<equals])] = String(option[option.index(after: equals)...])
                }
            }
        }

        private func listChecks() throws {
            if format == .json {
                Self.say(
                    String(decoding: JSONValue.array(try checks.map { JSONReport.value($0) }).encoded, as: UTF8.self))
            } else {
                for check in try checks { Self.say(TextReport.entry(check)) }
            }
        }

        /// Prints at once, into a pipe as well: a check may take a minute.
        private static func say(_ text: String) {
            // A closed stdout hears nothing.
            _ = try? FileDescriptor.standardOutput.writeAll("\(text)\n".utf8)
        }
    }
}
