// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// An answer that takes a while to make, made once for all who ask meanwhile.
///
/// Nobody gets one that was begun before it asked, unless nothing has changed since: what it was told before is in it.
/// However many ask, one is made at a time, on one thread.
final class SharedAnswer: Sendable {
    /// From this size on an answer is worth it, in bytes.
    private static let large = 64 << 10

    private struct State {
        /// The one that is being made.
        var current: Task<PluginResponse, Never>?
        /// The one that is begun when that is done.
        var next: Task<PluginResponse, Never>?
        var isLarge = false
        /// The last one that was made, and of what.
        var kept: (version: UInt64, response: PluginResponse)?
    }

    private let state = Mutex(State())

    /// Answers at once, or later if there is a large answer to be made.
    ///
    /// - Parameters:
    ///   - version: Which one would be made now; nil where nobody knows.
    ///   - make: Makes it.
    /// - Returns: The answer.
    func answer(
        at version: @escaping @Sendable () -> UInt64?, _ make: @escaping @Sendable () -> PluginResponse
    ) -> PluginAnswer {
        if let kept = kept(at: version()) { return .now(kept) }
        guard state.withLock(\.isLarge) else { return .now(made(at: version, make)) }
        return .later { await self.value(at: version, make) }
    }

    /// The next answer to be begun, or the last one if it would be no other.
    func value(
        at version: @escaping @Sendable () -> UInt64?, _ make: @escaping @Sendable () -> PluginResponse
    ) async -> PluginResponse {
        let task = state.withLock { state in
            if let next = state.next { return next }
            let task = Task { [current = state.current] in
                _ = await current?.value
                self.state.withLock { state in
                    state.current = state.next
                    state.next = nil
                }
                let response = self.kept(at: version()) ?? self.made(at: version, make)
                // Whoever waits for it has it; nobody else is to, unless it is kept.
                self.state.withLock { $0.current = nil }
                return response
            }
            state.next = task
            return task
        }
        return await task.value
    }

    private func kept(at version: UInt64?) -> PluginResponse? {
        guard let version else { return nil }
        return state.withLock { $0.kept?.version == version ? $0.kept?.response : nil }
    }

    private func made(at version: () -> UInt64?, _ make: () -> PluginResponse) -> PluginResponse {
        // Before it is made: what changes meanwhile may not be in it.
        let version = version()
        let response = make()
        state.withLock { state in
            state.isLarge = response.body.count > Self.large
            state.kept = version.map { ($0, response) }
        }
        return response
    }
}
