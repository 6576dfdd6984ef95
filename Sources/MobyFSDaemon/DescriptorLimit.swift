// SPDX-License-Identifier: Apache-2.0

import Glibc

/// How many descriptors the daemon may have open, and who gets them.
///
/// Half go to connections, so that work on calls finds descriptors whatever connects: four parts of it to those that are
/// served, and one to those on their way in or out. Of the former the command line gets an eighth, and the sockets of
/// engines share the rest: none of them takes the room of another.
struct DescriptorLimit {
    /// What the unit gives as well; a shell's soft limit of 1024 is for programs that use select(2).
    private static let wanted: rlim_t = 16384

    private let connections: Int

    /// Raises the limit as far as it may be, and is useful.
    init() {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let useful = min(max(limit.rlim_cur, Self.wanted), limit.rlim_max)
        if useful > limit.rlim_cur {
            limit.rlim_cur = useful
            // What may not be raised does as it is.
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        connections = Int(clamping: limit.rlim_cur) / 2 * 4 / 5
    }

    var forCommandLine: Int { connections / 8 }

    /// For each of several sockets of engines.
    func forEach(of sockets: Int) -> Int {
        (connections - forCommandLine) / max(1, sockets)
    }
}
