// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import Synchronization

/// A lock for each key: work on one happens one by one, in order; work on different ones side by side.
final class KeyedLocks<Key: Hashable & Sendable>: Sendable {
    private struct Waiter {
        let ticket: UInt64
        /// Told whether the lock was had.
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        /// The keys that are locked, with who waits for each.
        var waiting: [Key: [Waiter]] = [:]
        var tickets: UInt64 = 0
    }

    private let state = Mutex(State())

    func withLock<Result: Sendable>(
        _ key: Key, _ body: @Sendable () async throws -> Result
    ) async rethrows -> Result {
        _ = await lock(key)
        defer { unlock(key) }
        return try await body()
    }

    /// Takes a lock that nobody has, to be given back with ``unlock(_:)``.
    ///
    /// - Returns: Whether it was had.
    func tryLock(_ key: Key) -> Bool {
        state.withLock { state in
            guard state.waiting[key] == nil else { return false }
            state.waiting[key] = []
            return true
        }
    }

    /// Waits for a lock, to be given back with ``unlock(_:)``.
    ///
    /// - Returns: Whether it was had before the deadline.
    func lock(_ key: Key, until deadline: ContinuousClock.Instant? = nil) async -> Bool {
        var alarm: Alarm?
        defer { alarm?.cancel() }
        return await withCheckedContinuation { continuation in
            let ticket = state.withLock { state -> UInt64? in
                guard state.waiting[key] != nil else {
                    state.waiting[key] = []
                    return nil
                }
                state.tickets += 1
                state.waiting[key]?.append(Waiter(ticket: state.tickets, continuation: continuation))
                return state.tickets
            }
            guard let ticket else { return continuation.resume(returning: true) }
            guard let deadline else { return }
            alarm = Alarm(at: deadline) { self.giveUp(key, ticket) }
        }
    }

    private func giveUp(_ key: Key, _ ticket: UInt64) {
        let waiter = state.withLock { state -> Waiter? in
            guard let index = state.waiting[key]?.firstIndex(where: { $0.ticket == ticket }) else { return nil }
            return state.waiting[key]?.remove(at: index)
        }
        waiter?.continuation.resume(returning: false)
    }

    func unlock(_ key: Key) {
        let next = state.withLock { state -> Waiter? in
            guard state.waiting[key]?.isEmpty == false else {
                state.waiting[key] = nil
                return nil
            }
            return state.waiting[key]?.removeFirst()
        }
        next?.continuation.resume(returning: true)
    }
}
