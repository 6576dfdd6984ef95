// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// What tells the processes that a helper program has started from all others: a variable of their environment.
///
/// Daemons leave the session and the process group of the program that starts them; they keep its environment.
package struct HelperMark: Hashable, Sendable {
    private let variable: String
    private let value: String

    /// Makes a mark of a value that the caller has chosen, and finds again.
    package init(_ variable: String, _ value: String) {
        self.variable = variable
        self.value = value
    }

    /// Makes a mark that no process has yet.
    init() {
        self.init("MOBYFS_HELPER", String(UInt64.random(in: 0...UInt64.max), radix: 36))
    }

    /// For ``HelperProgram/run(_:calledAs:input:environment:until:)``.
    package var environment: [String: String] { [variable: value] }

    /// The processes that bear the mark.
    ///
    /// Blocks.
    package func bearers() -> [Int32] {
        Self.bearers(of: variable).filter { $0.value == value }.map(\.process)
    }

    /// The processes that bear any mark of a variable.
    ///
    /// Blocks.
    static func bearers(of variable: String) -> [(process: Int32, value: String)] {
        let start = Array("\(variable)=".utf8)
        // Without /proc there is nothing to be found; most processes are nobody's of ours, or have ended meanwhile.
        let names = (try? Directories.entries(of: "/proc")) ?? []
        return names.compactMap { Int32($0) }.compactMap { process in
            guard process != getpid(),
                let bytes = try? DurableFile.read(FilePath("/proc/\(process)/environ"), limit: 1 << 22),
                let mark = bytes.split(separator: 0).first(where: { $0.starts(with: start) })
            else { return nil }
            return (process, String(decoding: mark.dropFirst(start.count), as: UTF8.self))
        }
    }

    /// Ends all processes that bear the mark.
    ///
    /// Blocks.
    package func killBearers() {
        // One that is about to start another is found with it the second time.
        for _ in 0..<2 {
            for process in bearers() { kill(process, SIGKILL) }
        }
    }
}
