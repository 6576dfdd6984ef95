// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A lock for each key: work on one happens one by one, in order; work on different ones side by side.
final class KeyedLocks<Key: Hashable & Sendable>: Sendable {
    /// The keys that are locked, with who waits for each.
    private let waiting = Mutex<[Key: [CheckedContinuation<Void, Never>]]>([:])

    func withLock<Result: Sendable>(
        _ key: Key, _ body: @Sendable () async throws -> Result
    ) async rethrows -> Result {
        await lock(key)
        defer { unlock(key) }
        return try await body()
    }

    private func lock(_ key: Key) async {
        await withCheckedContinuation { continuation in
            let isFree = waiting.withLock { waiting in
                guard waiting[key] != nil else {
                    waiting[key] = []
                    return true
                }
                waiting[key]?.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    private func unlock(_ key: Key) {
        let next = waiting.withLock { waiting -> CheckedContinuation<Void, Never>? in
            guard waiting[key]?.isEmpty == false else {
                waiting[key] = nil
                return nil
            }
            return waiting[key]?.removeFirst()
        }
        next?.resume()
    }
}
