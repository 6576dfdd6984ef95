// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost

/// How many descriptors the tests may have open.
enum DescriptorAllowance {
    /// Whether daemons can have as many as their unit gives them, and tests as many connections to them.
    static var isAmple: Bool {
        var limit = rlimit()
        return getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 && limit.rlim_max >= 16384
    }

    /// A crowd of clients takes more than a shell gives.
    static func raise() throws {
        let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        try check(getrlimit(kind, &limit), "getrlimit")
        limit.rlim_cur = min(limit.rlim_max, 16384)
        try check(setrlimit(kind, &limit), "setrlimit")
    }
}
