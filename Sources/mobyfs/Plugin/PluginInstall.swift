// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginClient
import DockerPluginDiscovery
import FoundationEssentials

extension PluginCommand {
    struct Install: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "install",
            abstract: "Make a plugin known to the engine, or have the engine fetch and run one.",
            discussion: """
                Without --address, PLUGIN is a managed plugin in a registry: the engine fetches, sets and enables it. \
                With --address it is the name for a program that listens there already: its spec file is written, and \
                the plugin activated.
                """)

        @Argument(help: "Where a managed plugin is: [HOST[:PORT]/]PATH[:TAG]. With --address: a name.")
        var plugin: String

        @Argument(help: "Settings of a managed plugin: KEY=VALUE.")
        var settings: [String] = []

        @Option(help: "The name that a managed plugin is to have here. (default: PLUGIN)")
        var alias: String?

        @Flag(help: "Grant a managed plugin all that it asks for, unasked.")
        var grantAllPermissions = false

        @Flag(help: "Do not enable a managed plugin.")
        var disable = false

        @Option(help: "Where a program listens: unix:///PATH, tcp://HOST:PORT or https://HOST:PORT.")
        var address: String?

        @OptionGroup var tls: TLSOptions

        @Flag(help: "With --address, replace a spec file that mobyfs did not write.")
        var force = false

        @OptionGroup var place: SpecPlace

        func validate() throws {
            if let setting = settings.first(where: { !$0.dropFirst().contains("=") }) {
                throw ValidationError("'\(setting)' is no setting: write KEY=VALUE")
            }
            guard address == nil || alias == nil && !grantAllPermissions && !disable && settings.isEmpty else {
                throw ValidationError(
                    "--alias, --grant-all-permissions, --disable and KEY=VALUE are for managed plugins: "
                        + "leave them out, or leave --address out")
            }
            guard address != nil || !tls.isGiven && !force && place.specDir == nil else {
                throw ValidationError(
                    "TLS, --force and --spec-dir are for programs: say where one listens with --address")
            }
        }

        func run() async throws {
            try await reportingFailure {
                if let address {
                    try await installProgram(at: address)
                } else {
                    try await installManaged()
                }
            }
        }

        private func installProgram(at address: String) async throws {
            let implements = try await place.installer().install(
                plugin, at: try tls.endpoint(at: address), replacingOthers: force)
            print(
                "installed '\(plugin)' at \(address): it implements "
                    + (implements.isEmpty ? "nothing" : implements.joined(separator: ", ")))
        }

        private func installManaged() async throws {
            let installer = PluginInstaller(
                managed: try ManagedPlugins(environment: ProcessInfo.processInfo.environment))
            let line = ProgressLine()
            let installed = try await installer.install(
                plugin, as: alias, settings: settings, enables: !disable, progress: { line.show($0) },
                consent: consent)
            line.clear()
            guard let installed else { throw CommandFailure("nothing was installed") }
            print(
                "installed '\(installed.name)', \(installed.isEnabled ? "enabled" : "not enabled"): it implements "
                    + installed.interfaces.joined(separator: ", "))
        }

        /// Shows what the plugin asks for, and has a person decide.
        private func consent(to privileges: [ManagedPluginPrivilege]) throws -> Bool {
            let list = privileges.map { "  \(TerminalText.line("\($0)"))" }.joined(separator: "\n")
            if grantAllPermissions {
                Terminal.say("granting what '\(plugin)' asks for:\n\(list)")
                return true
            }
            guard Terminal.isPresent else {
                throw CommandFailure(
                    "'\(plugin)' asks for \(privileges.map(\.description).joined(separator: "; ")), and there is no "
                        + "terminal to ask at: nothing was installed; if it may have this, give "
                        + "--grant-all-permissions")
            }
            Terminal.say("'\(plugin)' asks for:\n\(list)")
            return Terminal.confirm("grant all of this?")
        }
    }
}
