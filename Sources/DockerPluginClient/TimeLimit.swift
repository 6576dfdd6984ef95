// SPDX-License-Identifier: Apache-2.0

/// Runs `body` and cancels it when time is up.
///
/// - Parameters:
///   - limit: How long it may take.
///   - timeout: What is thrown when it takes longer.
///   - body: The work; it is waited for after it was cancelled, and must end soon then.
/// - Returns: What `body` returns.
/// - Throws: What `body` throws, or `timeout`.
package func withTimeLimit<Result: Sendable>(
    _ limit: Duration, _ timeout: any Error, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        guard let result = try await group.next() ?? nil else { throw timeout }
        return result
    }
}

extension Duration {
    /// `3 s`, `0.5 s`: for messages.
    package var inSeconds: String {
        let tenths =
            (components.seconds * 10) + (components.attoseconds + 50_000_000_000_000_000) / 100_000_000_000_000_000
        return tenths % 10 == 0 ? "\(tenths / 10) s" : "\(tenths / 10).\(tenths % 10) s"
    }
}
