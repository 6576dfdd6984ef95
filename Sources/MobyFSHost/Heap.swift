// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims

/// What this process has allocated.
package enum Heap {
    /// Keeps the heap from growing with the number of calls.
    ///
    /// glibc takes what is freed for a sign that as much is wanted again: after one list of all volumes, such lists come from
    /// the heap, with small things between them that keep it from shrinking, and each thread has a heap of its own.
    ///
    /// Source: mallopt(3), "Dynamic mmap threshold".
    package static func bound() { mobyfs_bound_heap() }

    /// Gives back what many calls at once have left behind: small things between free ones keep it from shrinking by itself.
    package static func release() { mobyfs_release_heap() }
}
