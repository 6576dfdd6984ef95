// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
package import SystemPackage

extension ProjectQuota {
    /// Between looking whether a project is free and taking it, this process does nothing else of the kind.
    private static let lock = Mutex(())

    /// Puts a directory, but not what is in it, into a project that nobody has.
    ///
    /// The kernel's count is the register: a directory counts as one file, so the project is taken for everybody at
    /// the moment it has the directory, and free again when a crash leaves nothing of that. The number is drawn at
    /// random: file systems that are copied or restored bring the numbers of their records along, and of two sets of
    /// random ones none meet.
    ///
    /// - Parameters:
    ///   - directory: A directory of this file system that belongs to no project.
    ///   - range: The numbers to draw from.
    ///   - named: Numbers that are not to be drawn.
    /// - Returns: The project's number.
    /// - Throws: ``SystemCallError`` if the kernel refuses, or finds none.
    package func reserve(
        for directory: FilePath, in range: ClosedRange<UInt32>, avoiding named: Set<UInt32> = ProjectQuota.named()
    ) throws -> UInt32 {
        try Self.lock.withLock { _ in
            for _ in 0..<100 {
                let id = UInt32.random(in: range)
                guard !named.contains(id), try usage(of: id).isFree else { continue }
                try ProjectMembership(id: id, inherits: true).apply(to: directory)
                // Another process may have drawn it at the same moment, and sees two as well.
                if try usage(of: id).usedInodes == 1 { return id }
                try ProjectMembership.none.apply(to: directory)
            }
            throw SystemCallError("find a free project number for '\(directory)'", .noSpace)
        }
    }

    /// The numbers that the host's administrator has given away: projid(5), projects(5).
    package static func named() -> Set<UInt32> {
        func numbers(_ path: FilePath, field: Int) -> [UInt32] {
            // No such file: none are given away.
            let bytes = (try? DurableFile.read(path)) ?? []
            return bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
                let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
                return fields.count > field ? UInt32(String(decoding: fields[field], as: UTF8.self)) : nil
            }
        }
        return Set(numbers("/etc/projid", field: 1) + numbers("/etc/projects", field: 0))
    }
}
