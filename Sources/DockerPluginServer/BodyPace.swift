// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// Has large bodies come in piece by piece, those of one connection after those of another, with a pause after each.
///
/// However many send them, others are answered in between.
final class BodyPace: Sendable {
    /// Pieces are 16 KiB, so that all connections together come to 160 MB a second.
    private static let pause = TimeAmount.microseconds(100)

    private struct State {
        var waiting = CircularBuffer<@Sendable () -> Void>()
        var isPausing = false
    }

    private let state = Mutex(State())

    /// Has a connection wait for its turn.
    ///
    /// - Parameters:
    ///   - eventLoop: Any that does not end.
    ///   - goOn: What to do then.
    func wait(on eventLoop: any EventLoop, _ goOn: @escaping @Sendable () -> Void) {
        let isFirst = state.withLock { state in
            state.waiting.append(goOn)
            defer { state.isPausing = true }
            return !state.isPausing
        }
        if isFirst { pause(on: eventLoop) }
    }

    private func pause(on eventLoop: any EventLoop) {
        eventLoop.scheduleTask(in: Self.pause) {
            let next = self.state.withLock { $0.waiting.popFirst() }
            next?()
            let areMore = self.state.withLock { state in
                state.isPausing = !state.waiting.isEmpty
                return state.isPausing
            }
            if areMore { self.pause(on: eventLoop) }
        }
    }
}
