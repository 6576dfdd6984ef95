// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Logging
import Synchronization
import Systemd

/// Where the daemon logs to: the journal when started by systemd, lines on standard error otherwise; and a
/// level that all loggers share, so that a reload reaches those that exist.
package final class DaemonLog: Sendable {
    private let sharedLevel: Mutex<Logger.Level>
    private let stream: LogStream

    /// Makes a log.
    ///
    /// - Parameters:
    ///   - level: Nothing below this is logged.
    ///   - isManaged: Whether an engine reads the lines, which takes all that is on standard error for errors.
    package init(level: Logger.Level, isManaged: Bool = false) {
        sharedLevel = Mutex(level)
        stream = LogStream(isManaged ? STDOUT_FILENO : STDERR_FILENO)
    }

    package var level: Logger.Level {
        get { sharedLevel.withLock { $0 } }
        set { sharedLevel.withLock { $0 = newValue } }
    }

    /// Makes a logger.
    ///
    /// - Parameters:
    ///   - label: What the logger is for.
    ///   - floor: Nothing below this is logged, even where the daemon's level asks for it.
    /// - Returns: A logger that follows the daemon's level.
    package func logger(_ label: String, atLeast floor: Logger.Level = .trace) -> Logger {
        Logger(label: label) { [stream] label in
            let handler: any LogHandler =
                JournalLogHandler.isAvailable
                ? JournalLogHandler(label: label) : StreamLogHandler(label: label, stream: stream)
            return Handler(log: self, floor: floor, wrapped: handler)
        }
    }

    /// Waits until what was logged is written, if that does not take long.
    func flush() {
        stream.flush()
    }

    private struct Handler: LogHandler {
        let log: DaemonLog
        let floor: Logger.Level
        var wrapped: any LogHandler

        var logLevel: Logger.Level {
            get { max(log.level, floor) }
            set {}  // the level is the daemon's, not one logger's
        }
        var metadata: Logger.Metadata {
            get { wrapped.metadata }
            set { wrapped.metadata = newValue }
        }
        var metadataProvider: Logger.MetadataProvider? {
            get { wrapped.metadataProvider }
            set { wrapped.metadataProvider = newValue }
        }
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { wrapped[metadataKey: key] }
            set { wrapped[metadataKey: key] = newValue }
        }
        func log(event: LogEvent) {
            wrapped.log(event: event)
        }
    }
}
