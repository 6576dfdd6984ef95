// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization

/// Work on many things that no thing waits for another with.
package enum Parallel {
    /// With fewer things than that, one thread is as fast.
    private static let worthwhile = 64

    /// Works on parts of a list, on as many threads as there are processors.
    ///
    /// Blocks.
    ///
    /// - Parameters:
    ///   - items: The list.
    ///   - body: What to do with a part of it; called on several threads at once.
    /// - Returns: What `body` has returned for each part, in the order of the list.
    package static func parts<Item: Sendable, Result: Sendable>(
        of items: [Item], _ body: @Sendable (ArraySlice<Item>) -> Result
    ) -> [Result] {
        let size = max(worthwhile, items.count / 32)
        let starts = Array(stride(from: 0, to: items.count, by: size))
        let results = Mutex<[Int: Result]>([:])
        DispatchQueue.concurrentPerform(iterations: starts.count) { index in
            let part = items[starts[index]..<min(starts[index] + size, items.count)]
            let result = body(part)
            results.withLock { $0[index] = result }
        }
        return results.withLock { results in starts.indices.compactMap { results[$0] } }
    }
}
