// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What Ctrl-C does while a command has something to take back.
enum Interruption {
    /// From now on only the programs that were started end by it, and the command takes back what they did.
    static func isLeftToPrograms() {
        // A handler, for programs would inherit that a signal is ignored.
        for number in [SIGINT, SIGTERM, SIGHUP] { signal(number) { _ in } }
    }
}

/// Does something, and something else afterwards, pass or fail; of two failures the first is told.
func finally(
    _ body: () async throws -> Void, do cleanUp: () async throws -> Void
) async throws {
    do {
        try await body()
    } catch {
        // The first is why.
        try? await cleanUp()
        throw error
    }
    try await cleanUp()
}
