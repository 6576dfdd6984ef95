// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Something that happens at a certain time, unless it is cancelled before.
///
/// A `Task.sleep` that is cancelled stays in memory until its time has come; so a call with a deadline of minutes would cost
/// a kilobyte for as long. One that is cancelled here is gone at once: of all alarms, one task alone sleeps, and for no
/// longer than ``interval``.
package struct Alarm: Sendable {
    private struct Pending {
        let time: ContinuousClock.Instant
        let action: @Sendable () -> Void
    }

    private struct State {
        var pending: [UInt64: Pending] = [:]
        var count: UInt64 = 0
        var isWatched = false
    }

    /// How late it may be, on an idle machine.
    package static let interval = Duration.milliseconds(100)
    private static let state = Mutex(State())

    private let number: UInt64

    /// - Parameters:
    ///   - time: When it is to happen.
    ///   - action: What happens; it does not block.
    package init(at time: ContinuousClock.Instant, _ action: @escaping @Sendable () -> Void) {
        let (number, isWatched) = Self.state.withLock { state in
            defer { state.isWatched = true }
            state.count += 1
            state.pending[state.count] = Pending(time: time, action: action)
            return (state.count, state.isWatched)
        }
        self.number = number
        // Of nobody's task: it goes on for others.
        if !isWatched { Task.detached { await Self.watch() } }
    }

    /// Prevents it, if it has not happened yet.
    package func cancel() {
        // Released after the lock: what it holds on to may cancel others.
        _ = Self.state.withLock { $0.pending.removeValue(forKey: number) }
    }

    private static func watch() async {
        while let pause = nextPause() {
            // Cancelled by nobody.
            try? await Task.sleep(until: pause)
            for alarm in takeDue(by: .now) { alarm.action() }
        }
    }

    /// - Returns: Until when nothing happens; nil if nothing is left to happen.
    private static func nextPause() -> ContinuousClock.Instant? {
        state.withLock { state in
            guard let first = state.pending.values.map(\.time).min() else {
                state.isWatched = false
                return nil
            }
            return min(first, .now + interval)
        }
    }

    private static func takeDue(by time: ContinuousClock.Instant) -> [Pending] {
        state.withLock { state in
            let due = state.pending.filter { $0.value.time <= time }
            for number in due.keys { state.pending[number] = nil }
            return due.values.sorted { $0.time < $1.time }
        }
    }
}
