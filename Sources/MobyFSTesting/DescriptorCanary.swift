// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import Synchronization

/// Tells of descriptors that are closed twice: the second time it may be somebody else's.
package enum DescriptorCanary {
    /// Opens and closes a file many times while something is done beside it.
    ///
    /// - Parameter body: What is done again and again.
    /// - Returns: How often the file was closed already.
    package static func losses(beside body: @Sendable () -> Void) -> Int {
        let losses = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: 2) { side in
            if side == 0 {
                for _ in 0..<500 { body() }
            } else {
                for _ in 0..<20_000 where close(open("/dev/null", O_RDONLY | O_CLOEXEC)) != 0 {
                    losses.add(1, ordering: .relaxed)
                }
            }
        }
        return losses.load(ordering: .relaxed)
    }
}
