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
            var command = try await parsed()
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

    /// The command that was asked for.
    private static func parsed() async throws -> any ParsableCommand {
        let arguments = CommandLine.arguments.dropFirst()
        // Of the time until the daemon answers, a third would go to what other commands there are. What is wrong with the
        // command line, and help, is better said by them all.
        if arguments.first == StartCommand.configuration.commandName,
            let start = try? await StartCommand.asyncParseAsRoot(Array(arguments.dropFirst())) as? StartCommand
        {
            return start
        }
        return try await asyncParseAsRoot()
    }
}
