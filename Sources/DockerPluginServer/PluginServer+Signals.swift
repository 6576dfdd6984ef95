// SPDX-License-Identifier: Apache-2.0

import Logging
import ServiceLifecycle
import UnixSignals

extension PluginServer {
    /// Serves until SIGTERM or SIGINT, and then ends in order: requests under way are answered, and the sockets
    /// that the server has bound are taken away.
    ///
    /// This is all that a plugin needs whose process does nothing else. A process with more services runs the
    /// server as one of them, in a `ServiceGroup` of its own.
    ///
    /// - Parameter whenListening: Called once, with the addresses the server listens on; the place to say
    ///   that the service is ready.
    /// - Throws: ``ListenError`` if the server cannot listen, and what `whenListening` throws.
    public func runUntilSignalled(
        whenListening: @escaping @Sendable ([String]) async throws -> Void = { _ in }
    ) async throws {
        var logger = logger
        // Of a start and an end nobody needs to read twice.
        logger.logLevel = max(logger.logLevel, .notice)
        let service = Announcing(server: self, whenListening: whenListening)
        let group = ServiceGroupConfiguration(
            services: [.init(service: service, successTerminationBehavior: .gracefullyShutdownGroup)],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        try await ServiceGroup(configuration: group).run()
    }
}

/// A server that says when it listens.
private struct Announcing: Service, CustomStringConvertible {
    /// Without it the group describes all that the server is made of, which takes as long as to make it.
    let description = "plugin server"
    let server: PluginServer
    let whenListening: @Sendable ([String]) async throws -> Void

    func run() async throws {
        try await server.run(whenListening: whenListening)
    }
}
