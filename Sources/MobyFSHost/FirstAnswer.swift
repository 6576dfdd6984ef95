// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A continuation that the first of several answers resumes.
package final class FirstAnswer<Value: Sendable>: Sendable {
    private let continuation: Mutex<CheckedContinuation<Value, any Error>?>

    package init(_ continuation: CheckedContinuation<Value, any Error>) {
        self.continuation = Mutex(continuation)
    }

    /// - Returns: Whether it was the first.
    @discardableResult
    package func give(_ answer: Result<Value, any Error>) -> Bool {
        let waiting = continuation.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        waiting?.resume(with: answer)
        return waiting != nil
    }
}
