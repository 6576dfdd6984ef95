// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// An answer that takes a while to make, made once for all who ask meanwhile.
///
/// Nobody gets one that was begun before it asked: what it was told before is in it. However many ask, one is made at a
/// time, on one thread.
final class SharedAnswer: Sendable {
    /// From this size on an answer is worth it, in bytes.
    private static let large = 64 << 10

    private struct State {
        /// The one that is being made.
        var current: Task<PluginResponse, Never>?
        /// The one that is begun when that is done.
        var next: Task<PluginResponse, Never>?
        var isLarge = false
    }

    private let state = Mutex(State())

    /// Answers at once, or later if the last answer was a large one.
    func answer(_ make: @escaping @Sendable () -> PluginResponse) -> PluginAnswer {
        guard state.withLock(\.isLarge) else { return .now(made(make)) }
        return .later { await self.value(make) }
    }

    /// The next answer to be begun.
    func value(_ make: @escaping @Sendable () -> PluginResponse) async -> PluginResponse {
        let task = state.withLock { state in
            if let next = state.next { return next }
            let task = Task { [current = state.current] in
                _ = await current?.value
                self.state.withLock { state in
                    state.current = state.next
                    state.next = nil
                }
                let response = self.made(make)
                // Whoever waits for it has it; nobody else is to.
                self.state.withLock { $0.current = nil }
                return response
            }
            state.next = task
            return task
        }
        return await task.value
    }

    private func made(_ make: () -> PluginResponse) -> PluginResponse {
        let response = make()
        state.withLock { $0.isLarge = response.body.count > Self.large }
        return response
    }
}
