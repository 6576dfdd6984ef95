// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// The processes of this host, as far as this one sees them.
package enum ProcessList {
    /// The IDs of all processes but the kernel's own threads, which are most of them on many hosts.
    ///
    /// A helper program that the kernel itself has started counts as one of those: it works with what the first process
    /// sees.
    ///
    /// - Returns: The IDs, in no order that matters.
    /// - Throws: ``SystemCallError`` if /proc cannot be read.
    package static func programs() throws -> [Int32] {
        let all = try Directories.entries(of: "/proc").compactMap { Int32($0) }
        // Asked afterwards: a program whose number is a thread's by now has ended.
        let threads = kernelThreads()
        return all.filter { !threads.contains($0) }
    }

    /// The parent of all kernel threads.
    ///
    /// Source: `rest_init` in the kernel's init/main.c, which starts it as the second process.
    private static let threadParent: Int32? = {
        guard let bytes = try? DurableFile.read("/proc/2/stat", limit: 4096),
            let bracket = bytes.lastIndex(of: UInt8(ascii: ")"))
        else { return nil }
        // Behind the name: the state, the parent, four more, and the flags.
        let fields = bytes[(bracket + 1)...].split(separator: UInt8(ascii: " "))
            .map { String(decoding: $0, as: UTF8.self) }
        let isKernelThread = fields.count > 6 && (UInt32(fields[6]).map { $0 & 0x0020_0000 != 0 } ?? false)
        // Where only some processes are seen, the second is just any.
        return isKernelThread && fields[1] == "0" ? 2 : nil
    }()

    private static func kernelThreads() -> Set<Int32> {
        // The kernel need not have been built with such a list.
        guard let parent = threadParent,
            let bytes = try? DurableFile.read(FilePath("/proc/\(parent)/task/\(parent)/children"))
        else { return [] }
        return Set(bytes.split(separator: UInt8(ascii: " ")).compactMap { Int32(String(decoding: $0, as: UTF8.self)) })
            .union([parent])
    }
}
