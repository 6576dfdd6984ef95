// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage

/// What a daemon takes of the machine.
struct DaemonUsage {
    /// Memory that is in use, in bytes.
    let residentBytes: Int
    let descriptors: Int
    /// The processor time so far.
    let processorTime: Duration

    init(_ daemon: RunningDaemon) throws {
        let process = FilePath("/proc/\(daemon.processID)")
        let resident = try process.appending("status").text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        residentBytes = (resident?.split(separator: " ").dropLast().last.flatMap { Int($0) } ?? 0) << 10
        descriptors = try Directories.entries(of: process.appending("fd")).count
        // The name, in parentheses, may contain anything; utime and stime are the 12th and 13th field behind it.
        let fields = try process.appending("stat").text.split(separator: ")").last?.split(separator: " ") ?? []
        let ticks = fields.dropFirst(11).prefix(2).compactMap { Int($0) }.reduce(0, +)
        processorTime = .seconds(ticks) / sysconf(CInt(_SC_CLK_TCK))
    }

    /// What the daemon takes of one processor while nobody asks it anything; 1 is all of it.
    static func idleLoad(of daemon: RunningDaemon) async throws -> Double {
        let (start, before) = (ContinuousClock.now, try DaemonUsage(daemon).processorTime)
        // There is no event to wait for: that nothing happens shows in the course of time only.
        try await Task.sleep(for: .seconds(1))
        return (try DaemonUsage(daemon).processorTime - before) / (ContinuousClock.now - start)
    }
}
