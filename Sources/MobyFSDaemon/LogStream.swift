// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import Synchronization

/// Writes lines to a descriptor, and keeps nobody waiting where they are not taken.
///
/// What reads the daemon's log may stop: a pager, a terminal on hold, a pipe to a program that hangs. Engines are
/// served all the same. Lines are then kept for a while, and beyond that counted.
final class LogStream: TextOutputStream, Sendable {
    /// So many lines are kept.
    private static let limit = 1000
    /// What pipe(7) takes in one piece when poll(2) says that it takes something.
    private static let piece = 4096

    private struct State {
        var waiting: [String] = []
        var lost = 0
        var isWriting = false
    }

    private let descriptor: CInt
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "mobyfs.log")

    init(_ descriptor: CInt) {
        self.descriptor = descriptor
    }

    func write(_ line: String) {
        state.withLock { state in
            // At once where that can be: who has read an answer finds in the log what came before it.
            if !state.isWriting, line.utf8.count <= Self.piece, isReady { return writeAll(line) }
            guard state.waiting.count < Self.limit else { return state.lost += 1 }
            state.waiting.append(line)
            guard !state.isWriting else { return }
            state.isWriting = true
            queue.async { self.writeWaiting() }
        }
    }

    /// Waits until all lines are written, if that does not take long.
    func flush() {
        let isDone = DispatchSemaphore(value: 0)
        queue.async { isDone.signal() }
        _ = isDone.wait(timeout: .now() + .seconds(1))
    }

    private var isReady: Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&request, 1, 0) == 1
    }

    private func writeWaiting() {
        while true {
            let (lines, lost) = state.withLock { state in
                defer { (state.waiting, state.lost) = ([], 0) }
                state.isWriting = !state.waiting.isEmpty || state.lost > 0
                return (state.waiting, state.lost)
            }
            if lines.isEmpty, lost == 0 { return }
            for line in lines { writeAll(line) }
            if lost > 0 { writeAll("mobyfs: \(lost) lines of the log are left out here: nobody took them\n") }
        }
    }

    private func writeAll(_ line: String) {
        var rest = Array(line.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            // A log that cannot be written is nothing that could be told anybody.
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
