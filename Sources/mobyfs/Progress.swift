// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDaemon
import MobyFSHost
import MobyFSVolumes
import SystemPackage

/// How far a program has come that reads or writes a file, shown on a terminal and nowhere else.
enum Progress {
    private static let interval = Duration.milliseconds(500)

    /// Shows the progress of a program that writes a file while `body` runs.
    ///
    /// The program shares the place in the file with this process, so nothing has to pass through here.
    ///
    /// - Parameters:
    ///   - descriptor: What the program was given.
    ///   - bytes: How much there will be, about; nil if nobody knows.
    ///   - body: The work.
    /// - Throws: What `body` does.
    static func show(
        of descriptor: FileDescriptor, bytes: UInt64?, _ body: () async throws -> Void
    ) async throws {
        // A pipe has no place.
        guard (try? descriptor.seek(offset: 0, from: .current)) != nil else { return try await body() }
        try await show(body) { time in
            line(UInt64(max(0, (try? descriptor.seek(offset: 0, from: .current)) ?? 0)), of: bytes, after: time)
        }
    }

    /// Shows how much of a stream has been read while `body` runs.
    static func show(
        of transfer: TarTransfer, bytes: UInt64?, _ body: () async throws -> Void
    ) async throws {
        try await show(body) { time in
            transfer.isRead
                ? "\(ByteSize(bytes: transfer.bytes).rounded) read, writing to the disk"
                : line(transfer.bytes, of: bytes, after: time)
        }
    }

    /// Shows how far the daemon's copy has come that a volume waits for, if there is one, while `body` runs.
    static func show<Result>(
        ofCopyFor name: String, _ daemon: DaemonOptions, _ body: () async throws -> Result
    ) async throws -> Result {
        try await show(body) { time in
            // One that cannot be asked tells the work itself why.
            guard let answer = try? await daemon.call(GetCopyProgress(name: name)).answer, let copied = answer.copied
            else { return "" }
            return line(copied, of: answer.total, after: time)
        }
    }

    private static func show<Result>(
        _ body: () async throws -> Result, as line: @escaping @Sendable (Duration) async -> String
    ) async throws -> Result {
        guard isatty(STDERR_FILENO) == 1 else { return try await body() }
        let start = ContinuousClock.now
        let watcher = Task {
            while true {
                // Cancelled at the end.
                try await Task.sleep(for: interval)
                let text = await line(.now - start)
                try Task.checkCancellation()
                write(text)
            }
        }
        do {
            let result = try await body()
            await end(watcher)
            return result
        } catch {
            await end(watcher)
            throw error
        }
    }

    /// Nothing is written once the line is gone.
    private static func end(_ watcher: Task<Void, any Error>) async {
        watcher.cancel()
        _ = await watcher.result
        write("")
    }

    /// The size of a file; nil for what is none.
    static func size(of descriptor: FileDescriptor) -> UInt64? {
        var status = stat()
        guard fstat(descriptor.rawValue, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return UInt64(status.st_size)
    }

    static func line(_ done: UInt64, of total: UInt64?, after time: Duration) -> String {
        let seconds = max(0.001, Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18)
        let rate = Double(done) / seconds
        var line = ByteSize(bytes: done).rounded
        if let total, total > 0 {
            line += " of \(ByteSize(bytes: total).rounded), \(min(100, done * 100 / total)) %"
        }
        line += ", \(ByteSize(bytes: UInt64(rate)).rounded)/s"
        if let total, total > done, rate > 0 {
            let left = UInt64(Double(total - done) / rate)
            line += left < 60 ? ", \(left) s left" : ", \(left / 60) min \(left % 60) s left"
        }
        return line
    }

    /// In place of what was there.
    private static func write(_ line: String) {
        _ = try? FileDescriptor.standardError.writeAll("\r\u{1b}[K\(line)".utf8)  // a closed stderr hears nothing
    }
}
