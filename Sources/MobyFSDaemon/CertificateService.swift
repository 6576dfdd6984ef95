// SPDX-License-Identifier: Apache-2.0

import DockerPluginServer
import Logging
import MobyFSHost
import ServiceLifecycle
import Systemd

/// Takes certificates into use when their files change, and says in time when they run out.
struct CertificateService: Service {
    /// Links are followed and files replaced in many ways; looking is simple, and never misses one.
    private static let interval = Duration.seconds(5)

    let tls: ServerTLS?
    let systemd: ServiceManager
    let status: StatusLine
    let logger: Logger

    func run() async throws {
        guard let tls else {
            // The wait ends with the daemon, and so needs no answer.
            try? await gracefulShutdown()
            return
        }
        await cancelWhenGracefulShutdown {
            var last: String?
            while !Task.isCancelled {
                await Self.reload(tls, logger)
                let trouble = tls.trouble
                if trouble != last {
                    if let trouble { logger.warning("TLS needs attention", metadata: ["error": "\(trouble)"]) }
                    systemd.status(status.description)
                    last = trouble
                }
                // Cancelled at the end.
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    /// Looks at the files now.
    static func reload(_ tls: ServerTLS, _ logger: Logger) async {
        switch await BlockingWork.run({ tls.reload() }) {
        case .unchanged: break
        case .replaced: logger.notice("certificates replaced; open connections stay")
        case .kept(let error):
            logger.error("new certificates are refused; the old ones stay", metadata: ["error": "\(error)"])
        }
    }
}
