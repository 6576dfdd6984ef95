// SPDX-License-Identifier: Apache-2.0

import DockerPluginServer
import Logging
import MobyFSHost
import ServiceLifecycle
import Systemd
import UnixSignals

/// Reads the configuration again on SIGHUP.
struct ReloadService: Service {
    let sources: Configuration.Sources
    let configuration: Configuration
    let log: DaemonLog
    let systemd: ServiceManager
    let tls: ServerTLS?
    let status: StatusLine
    let logger: Logger

    func run() async throws {
        var current = configuration
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            systemd.reloading()
            if let tls { await CertificateService.reload(tls, logger) }
            current = reload(current)
        }
    }

    /// Applies what can be changed while running; a configuration that makes no sense changes nothing.
    private func reload(_ current: Configuration) -> Configuration {
        do {
            let new = try Configuration(from: sources)
            let changes = new.changes(since: current)
            log.level = new.logLevel
            logger.notice(
                "configuration reloaded",
                metadata: ["changes": "\(changes.isEmpty ? "none" : changes.joined(separator: "; "))"])
            systemd.ready(status: status.description)
            return new
        } catch {
            logger.error("the configuration makes no sense; the old one stays", metadata: ["error": "\(error)"])
            systemd.ready(status: "\(status); reload failed: \(error)")
            return current
        }
    }
}
