// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import DockerPluginClient
import DockerPluginDiscovery
import FoundationEssentials
import Glibc
import MobyFSDaemon
import SystemPackage

/// Which daemon is called, and how.
struct DaemonOptions: ParsableArguments {
    @Option(help: "The daemon's configuration file. (default: \(Configuration.defaultFile))")
    var config: String?

    @Option(help: "The daemon's runtime directory. (default: as configured)")
    var runtimeDir: String?

    /// An answer, read and as it was.
    struct Reply<Answer> {
        let answer: Answer
        /// The same for programs: with small keys, as all output of the command line has them.
        let json: JSONValue

        /// What one key of it holds, for programs.
        func text(of key: String) -> String { TerminalText.json((json[key] ?? .null).encoded) }
    }

    /// Calls the daemon once.
    ///
    /// - Throws: ``CommandFailure`` with status 1 and the daemon's words if it refuses, 2 if it cannot be asked.
    func call<Call: ControlCall>(_ call: Call) async throws -> Reply<Call.Answer> {
        let socket = try configuration().controlSocket
        try requireAccess(to: socket)
        var configuration = PluginClient.Configuration()
        // Whoever waits here wants to know now; nothing starts the daemon meanwhile.
        configuration.retries = .none
        // A copy may take its time, and it is up to the daemon to end what hangs.
        configuration.callLimit = .seconds(90_000)
        let client = PluginClient(PluginEndpoint(PluginAddress(socket: socket.string)), configuration: configuration)
        let body: [UInt8]
        do {
            let reply = try await client.call(Call.path, body: try call.encoded)
            _ = try client.value(of: reply, Call.path)
            body = reply.body
        } catch let error as PluginClientError {
            throw failure(error, at: socket)
        }
        do {
            return Reply(answer: try Call.answer(decoding: body), json: try JSONValue(parsing: body).withSmallKeys)
        } catch {
            throw CommandFailure("the daemon's answer cannot be read, is it of another version? \(error)", status: 2)
        }
    }

    /// What is said where the daemon has taken back what a command was working on.
    static let restarted = CommandFailure(
        "the daemon was restarted or stopped meanwhile, and what was half done is taken back: try again once it runs")

    /// The daemon's configuration, as far as it can be known from here.
    func configuration() throws -> Configuration {
        var flags: [Setting: String] = [:]
        flags[.runtimeDirectory] = runtimeDir.map(AbsolutePath.of)
        let sources = Configuration.Sources(
            flags: flags, environment: ProcessInfo.processInfo.environment,
            file: config.map { FilePath(AbsolutePath.of($0)) })
        do {
            return try Configuration(from: sources)
        } catch let error as ConfigurationError {
            throw CommandFailure("\(error)", status: 2)
        }
    }

    private func requireAccess(to socket: FilePath) throws {
        if access(socket.string, R_OK | W_OK) == 0 { return }
        throw [EACCES, EPERM].contains(errno) ? onlyRoot(socket) : notRunning(socket)
    }

    private func failure(_ error: PluginClientError, at socket: FilePath) -> CommandFailure {
        switch error.code {
        case .refused: CommandFailure("\(error)")
        case .unreachable: notRunning(socket)
        // It hangs up on strangers without a word.
        case .dropped where geteuid() != 0: onlyRoot(socket)
        default: CommandFailure("the daemon did not answer: \(error)", status: 2)
        }
    }

    private func onlyRoot(_ socket: FilePath) -> CommandFailure {
        CommandFailure("only root may call the daemon at '\(socket)': try with sudo", status: 2)
    }

    private func notRunning(_ socket: FilePath) -> CommandFailure {
        let isOfPackage = runtimeDir == nil && config == nil && access("/run/systemd/system", F_OK) == 0
        return CommandFailure(
            "the daemon is not running, or has another runtime directory: nobody listens at '\(socket)'; "
                + (isOfPackage
                    ? "'systemctl start mobyfs' starts it, or after it has failed too often 'systemctl reset-failed mobyfs' "
                        + "and that, and 'journalctl -u mobyfs' says why it does not run"
                    : "'mobyfs start' starts it"),
            status: 2)
    }
}

extension JSONValue {
    /// With the keys of objects in the spelling that the command line has: `isDefault` rather than `IsDefault`.
    fileprivate var withSmallKeys: JSONValue {
        switch self {
        case .object(let members):
            .object(
                Dictionary(members.map { ($0.prefix(1).lowercased() + $0.dropFirst(), $1.withSmallKeys) }) { $1 })
        case .array(let elements): .array(elements.map(\.withSmallKeys))
        default: self
        }
    }
}
