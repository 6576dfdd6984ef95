// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Notices that something was mounted or unmounted where this process sees it.
///
/// Source: proc_pid_mountinfo(5): poll(2) tells of each change once.
package final class MountTableWatch: Sendable {
    private struct State {
        let descriptor: CInt
        var changes: UInt64 = 0
    }

    private let state: Mutex<State>

    package init() {
        state = Mutex(State(descriptor: open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)))
    }

    deinit {
        state.withLock { state in
            if state.descriptor >= 0 { close(state.descriptor) }
        }
    }

    /// A number that is another one after each change; nil where the kernel does not tell.
    package var generation: UInt64? {
        state.withLock { state in
            var event = pollfd(fd: state.descriptor, events: CShort(POLLPRI), revents: 0)
            guard state.descriptor >= 0, poll(&event, 1, 0) >= 0 else { return nil }
            if event.revents != 0 { state.changes += 1 }
            return state.changes
        }
    }
}
