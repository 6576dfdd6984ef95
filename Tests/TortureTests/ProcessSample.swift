// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage

/// What a process takes of its machine at one moment.
struct ProcessSample: Sendable {
    /// Memory that is its own: what it shares with others depends on how many they are.
    let memoryBytes: Int
    let descriptors: Int
    let threads: Int
    /// The processor's time that it has used since it began.
    let processorTime: Duration

    init(_ processID: Int32) throws {
        let folder = FilePath("/proc/\(processID)")
        let memory = try folder.appending("smaps_rollup").text.split(separator: "\n").first {
            $0.hasPrefix("Anonymous:")
        }
        memoryBytes = (memory.flatMap { Int($0.split(separator: " ")[1]) } ?? 0) << 10
        descriptors = try Directories.entries(of: folder.appending("fd")).count
        threads = try Directories.entries(of: folder.appending("task")).count
        // utime and stime: proc_pid_stat(5). The name before them may have anything in it.
        let fields = try folder.appending("stat").text.split(separator: ")").last?.split(separator: " ") ?? []
        let ticks = fields.count > 12 ? (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0) : 0
        processorTime = .seconds(1) * ticks / sysconf(CInt(_SC_CLK_TCK))
    }
}
