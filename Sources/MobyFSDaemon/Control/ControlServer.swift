// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginServer
import Glibc
import Logging
import MobyFSVolumes
import SystemPackage

/// Serves the command line, on a socket of its own that root alone can use and no engine is told of.
struct ControlServer: Sendable {
    private let server: PluginServer
    private let logger: Logger

    init(
        socket: FilePath, volumes: VolumeManager, findings: [FindingDetails], connectionLimit: Int, logger: Logger
    ) {
        var configuration = PluginServer.Configuration(listeners: [.unix(path: socket.string)])
        configuration.connectionLimit = connectionLimit
        // The command line connects when it has something to ask.
        configuration.idleLimit = .seconds(60)
        // The mode of the socket says the same; it may be changed.
        configuration.accepts = { [owner = geteuid()] caller in
            caller.userID.map { [0, owner].contains($0) } ?? false
        }
        server = PluginServer(
            configuration, subsystems: [ControlSubsystem(volumes: volumes, findings: findings, logger: logger)],
            logger: logger)
        self.logger = logger
    }

    /// Serves until the task is cancelled or a graceful shutdown begins.
    ///
    /// Engines are served all the same where this cannot be.
    ///
    /// - Parameter whenListening: Called once, when the command line can call, or cannot.
    func run(whenListening: @Sendable () -> Void) async {
        do {
            try await server.run { _ in whenListening() }
        } catch {
            logger.error("the command line cannot call the daemon", metadata: ["error": "\(error)"])
            whenListening()
        }
    }
}
