// SPDX-License-Identifier: Apache-2.0

import CSystemd
import Glibc
public import Logging

/// Sends log records to the journal, with their metadata as fields of their own.
///
/// The key `volume.name` becomes the field `VOLUME_NAME`. The message, too, ends with the metadata, so that
/// plain `journalctl` shows it. Source: sd_journal_sendv(3), systemd.journal-fields(7).
public struct JournalLogHandler: LogHandler {
    /// The lowest level that is logged.
    public var logLevel = Logger.Level.info
    /// Metadata of every record.
    public var metadata: Logger.Metadata = [:]
    /// Gives further metadata, if set.
    public var metadataProvider: Logger.MetadataProvider?

    private let label: String

    /// Makes a handler.
    ///
    /// - Parameter label: The logger's label, logged as the field `LOGGER`.
    public init(label: String) {
        self.label = label
    }

    /// Whether standard error of this process goes to the journal: it was started by systemd, whose
    /// `$JOURNAL_STREAM` names the device and inode of that stream.
    public static var isAvailable: Bool {
        var status = stat()
        guard let stream = getenv("JOURNAL_STREAM"), fstat(STDERR_FILENO, &status) == 0 else { return false }
        return String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
    }

    /// One metadata value of every record.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Sends a record.
    public func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let own = event.metadata { all.merge(own) { $1 } }
        if let error = event.error { all["error"] = "\(error)" }
        let pairs = all.sorted { $0.key < $1.key }
        let suffix = pairs.map { " \($0.key)=\($0.value)" }.joined()

        var fields = [
            "MESSAGE=\(event.message)\(suffix)",
            "PRIORITY=\(Self.priority(of: event.level))",
            "LOGGER=\(label)",
            "CODE_FILE=\(event.file)",
            "CODE_LINE=\(event.line)",
            "CODE_FUNC=\(event.function)",
        ]
        fields += pairs.map { "\(Self.field(for: $0.key))=\($0.value)" }
        Self.send(fields)
    }

    /// The journal's name for a metadata key: capitals, digits and underscores, no underscore in front.
    static func field(for key: String) -> String {
        let name = String(
            key.uppercased().map { character in
                character.isASCII && (character.isLetter || character.isNumber) ? character : "_"
            })
        return name.first?.isLetter == true ? String(name.prefix(64)) : "M\(name.prefix(63))"
    }

    /// The syslog priority of a level.
    static func priority(of level: Logger.Level) -> CInt {
        switch level {
        case .trace, .debug: LOG_DEBUG
        case .info: LOG_INFO
        case .notice: LOG_NOTICE
        case .warning: LOG_WARNING
        case .error: LOG_ERR
        case .critical: LOG_CRIT
        }
    }

    private static func send(_ fields: [String]) {
        let texts = fields.map { Array($0.utf8) }
        var vectors: [iovec] = []
        vectors.reserveCapacity(texts.count)
        withBuffers(of: texts[...], collecting: &vectors) { vectors in
            _ = sd_journal_sendv(vectors, CInt(vectors.count))
        }
    }

    /// Holds all texts in place while `body` runs.
    private static func withBuffers(
        of texts: ArraySlice<[UInt8]>, collecting vectors: inout [iovec], _ body: ([iovec]) -> Void
    ) {
        guard let first = texts.first else { return body(vectors) }
        first.withUnsafeBytes { bytes in
            vectors.append(iovec(iov_base: .init(mutating: bytes.baseAddress), iov_len: bytes.count))
            withBuffers(of: texts.dropFirst(), collecting: &vectors, body)
        }
    }
}
