// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// What tells the processes that a helper program has started from all others: a variable of their environment.
///
/// Daemons leave the session and the process group of the program that starts them; they keep its environment.
struct HelperMark: Sendable {
    static let variable = "MOBYFS_HELPER"

    let value = String(UInt64.random(in: 0...UInt64.max), radix: 36)

    /// Ends all processes that bear the mark.
    ///
    /// Blocks.
    func killBearers() {
        let mark = Array("\(Self.variable)=\(value)\0".utf8)
        // One that is about to start another is found with it the second time.
        for _ in 0..<2 {
            // Without /proc there is nothing to be found.
            let names = (try? Directories.entries(of: "/proc")) ?? []
            for process in names.compactMap({ pid_t($0) }) where process != getpid() {
                // Most belong to nobody of ours, or have ended meanwhile.
                guard let bytes = try? DurableFile.read(FilePath("/proc/\(process)/environ"), limit: 1 << 22) else {
                    continue
                }
                if bytes.split(separator: 0).contains(where: { $0.elementsEqual(mark.dropLast()) }) {
                    kill(process, SIGKILL)
                }
            }
        }
    }
}
