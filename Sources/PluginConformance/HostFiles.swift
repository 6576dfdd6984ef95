// SPDX-License-Identifier: Apache-2.0

import DockerPluginClient
import MobyFSHost

/// Looks at mountpoints, which may hang with the plugin behind them.
enum HostFiles {
    /// Runs `body` on a thread of its own, and leaves it to itself when it takes too long.
    ///
    /// - Parameters:
    ///   - limit: How long it may take.
    ///   - path: What it is about.
    ///   - body: The work.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws, and ``Violation`` when time is up.
    static func run<Result: Sendable>(
        within limit: Duration, on path: String, _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        let results = AsyncThrowingStream<Result, any Error>.makeStream()
        Task {
            do {
                results.continuation.yield(try await BlockingWork.run(body))
                results.continuation.finish()
            } catch {
                results.continuation.finish(throwing: error)
            }
        }
        let stream = results.stream
        let timeout = Violation("'\(path)' does not answer within \(limit.inSeconds): its file system hangs")
        return try await withTimeLimit(limit, timeout) {
            for try await result in stream { return result }
            throw CancellationError()
        }
    }
}
