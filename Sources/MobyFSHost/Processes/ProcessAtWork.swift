// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage

/// A process that keeps a file system from being unmounted: it works there, or has something open.
package struct ProcessAtWork: Hashable, Sendable, CustomStringConvertible {
    package let processID: Int32
    /// The process's name, as in `ps`.
    package let name: String

    package var description: String { "process \(processID) (\(name))" }

    /// Finds those that are at work in a directory, as far as this process may look.
    ///
    /// Goes by what the kernel says that they have open, and looks at nothing in the directory itself. Blocks.
    ///
    /// - Parameters:
    ///   - directory: A path without symbolic links.
    ///   - limit: How many to find.
    /// - Returns: Those found first.
    package static func find(in directory: FilePath, limit: Int) -> [ProcessAtWork] {
        var found: [ProcessAtWork] = []
        // Without /proc there is nothing to be found.
        for name in (try? Directories.entries(of: "/proc")) ?? [] {
            guard found.count < limit else { break }
            guard let processID = Int32(name), processID != getpid(), isAtWork(name, in: directory.string) else {
                continue
            }
            found.append(ProcessAtWork(processID: processID, name: Self.name(ofProcess: name)))
        }
        return found
    }

    /// A process's name, for messages: it may end at any time.
    static func name(ofProcess process: String) -> String {
        let bytes = (try? DurableFile.read(FilePath("/proc/\(process)/comm"), limit: 4096)) ?? []
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    private static func isAtWork(_ process: String, in directory: String) -> Bool {
        let descriptors = (try? Directories.entries(of: FilePath("/proc/\(process)/fd"))) ?? []
        let links = ["cwd", "root", "exe"] + descriptors.map { "fd/\($0)" }
        return links.contains { link in
            guard let target = Files.target(ofLink: "/proc/\(process)/\(link)") else { return false }
            return target == directory || target.hasPrefix(directory + "/")
        }
    }
}
