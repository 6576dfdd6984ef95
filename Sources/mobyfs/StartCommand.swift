// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import MobyFSDaemon
import SystemPackage

struct StartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start",
        abstract: "Run the daemon in the foreground.",
        discussion: """
            Sockets that systemd passes are served. Without any, mobyfs binds --socket itself.

            Every option but --config can also be set in the environment (MOBYFS_DATA_DIR and so on) and in the \
            configuration file. An option counts before the environment, and that before the file.
            """)

    @Option(help: "The configuration file. (default: \(Configuration.defaultFile))")
    var config: String?

    @Option(help: "Where volumes are kept. (default: \(Setting.dataDirectory.defaultValue ?? ""))")
    var dataDir: String?

    @Option(help: "Where it is kept who holds which volume. (default: \(Setting.runtimeDirectory.defaultValue ?? ""))")
    var runtimeDir: String?

    @Option(help: "The unix socket to serve. (default: mobyfs.sock in --runtime-dir, unless --port is given)")
    var socket: String?

    @Option(name: .shortAndLong, help: "Serve plain TCP on this port of 127.0.0.1, and tell engines by a spec file.")
    var port: String?

    @Option(help: "Where the spec file goes. (default: \(Setting.specDirectory.defaultValue ?? ""))")
    var specDir: String?

    @Option(help: "trace, debug, info, notice, warning, error or critical. (default: info)")
    var logLevel: String?

    func run() async throws {
        var flags: [Setting: String] = [:]
        flags[.dataDirectory] = dataDir.map(absolute)
        flags[.runtimeDirectory] = runtimeDir.map(absolute)
        flags[.socket] = socket.map(absolute)
        flags[.port] = port
        flags[.specDirectory] = specDir.map(absolute)
        flags[.logLevel] = logLevel
        let sources = Configuration.Sources(
            flags: flags, environment: ProcessInfo.processInfo.environment,
            file: config.map { FilePath(absolute($0)) })
        do {
            try await Daemon(sources).run()
        } catch let error as ConfigurationError {
            // Not the command line but what it leads to is wrong: no word about usage.
            _ = try? FileDescriptor.standardError.writeAll("mobyfs: \(error)\n".utf8)  // a closed stderr hears nothing
            throw ExitCode.validationFailure
        }
    }

    /// A path on the command line counts from where the user is.
    private func absolute(_ path: String) -> String {
        guard !path.isEmpty, !path.hasPrefix("/") else { return path }
        return FilePath(FileManager.default.currentDirectoryPath).pushing(FilePath(path)).string
    }
}
