// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MobyFSDaemon
import SystemPackage

@main
struct MobyFS: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mobyfs",
        abstract: "Named volumes for Docker Engines that people can trust.",
        version: Daemon.version,
        // Each command of theirs says its name, too: to make one of the name of its type takes longer than to parse.
        subcommands: [
            StartCommand.self, VolumeCommand.self, TrashCommand.self, DriverCommand.self, DoctorCommand.self,
            SpecCommand.self, TLSCommand.self, PluginCommand.self,
        ])

    static func main() async {
        do {
            if let start = await startCommand() { return try await start.run() }
            var command = try await asyncParseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch  where exitCode(for: error) == .validationFailure {
            // The usual status in place of the library's. A closed stderr hears nothing.
            _ = try? FileDescriptor.standardError.writeAll("\(fullMessage(for: error))\n".utf8)
            exit(withError: ExitCode.senseless)
        } catch {
            exit(withError: error)
        }
    }

    /// The command to start the daemon, if its command line is in order.
    ///
    /// It is parsed alone: that there are other commands would take a sixth of the time until the daemon answers. What is
    /// wrong with it, and help, is better said by all of them.
    private static func startCommand() async -> StartCommand? {
        let arguments = CommandLine.arguments.dropFirst()
        guard arguments.first == StartCommand.configuration.commandName else { return nil }
        return try? await StartCommand.asyncParseAsRoot(Array(arguments.dropFirst())) as? StartCommand
    }
}
