// SPDX-License-Identifier: Apache-2.0

import MobyFSTesting
import SystemPackage
import Testing

/// What this process has in memory.
enum OwnMemory {
    /// A line of proc_pid_status(5), such as `RssFile`, in KiB.
    static func kibibytes(_ kind: String) throws -> Int {
        let lines = try FilePath("/proc/self/status").text.split(separator: "\n")
        let line = try #require(lines.first { $0.hasPrefix(kind + ":") })
        return try #require(Int(line.split { " \t".contains($0) }[1]))
    }
}
