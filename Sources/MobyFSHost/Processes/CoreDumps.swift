// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims

/// What a process leaves that crashes.
package enum CoreDumps {
    /// Keeps the memory of this process, and of the helpers it will start, out of core dumps: there may be passwords in it.
    package static func forgo() { mobyfs_forgo_core_dumps() }
}
