// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A lock for each volume: work on one is done one by one, in order; work on different ones side by side.
///
/// Whoever is cancelled while he waits leaves the queue.
final class VolumeLocks: Sendable {
    private struct Waiter {
        let ticket: Int
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        /// The volumes that are locked, with who waits for each.
        var waiting: [String: [Waiter]] = [:]
        var tickets = 0
    }

    private let state = Mutex(State())

    func withLock<Result: Sendable>(
        _ name: String, _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        try await lock(name)
        defer { unlock(name) }
        return try await body()
    }

    private func lock(_ name: String) async throws {
        let ticket = state.withLock { state in
            state.tickets += 1
            return state.tickets
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                state.withLock { state -> Swift.Result<Void, any Error>? in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    guard state.waiting[name] != nil else {
                        state.waiting[name] = []
                        return .success(())
                    }
                    state.waiting[name]?.append(Waiter(ticket: ticket, continuation: continuation))
                    return nil
                }.map { continuation.resume(with: $0) }
            }
        } onCancel: {
            state.withLock { state -> Waiter? in
                guard let place = state.waiting[name]?.firstIndex(where: { $0.ticket == ticket }) else { return nil }
                return state.waiting[name]?.remove(at: place)
            }?.continuation.resume(throwing: CancellationError())
        }
    }

    private func unlock(_ name: String) {
        state.withLock { state -> Waiter? in
            guard state.waiting[name]?.isEmpty == false else {
                state.waiting[name] = nil
                return nil
            }
            return state.waiting[name]?.removeFirst()
        }?.continuation.resume()
    }
}
