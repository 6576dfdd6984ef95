// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite struct HeapTests {
    /// What is in use here and there keeps nothing else.
    @Test func givesBackWhatIsFreeBetweenWhatIsNot() throws {
        let blocks = (0..<(64 << 10)).map { _ in malloc(1024)! }
        for block in blocks { memset(block, 1, 1024) }
        for (number, block) in blocks.enumerated() where !number.isMultiple(of: 64) { free(block) }
        let before = try Self.residentAllocations()
        Heap.release()
        let after = try Self.residentAllocations()
        #expect(before - after > 32 << 10, "KiB of 64 MiB")
        for (number, block) in blocks.enumerated() where number.isMultiple(of: 64) { free(block) }
    }

    /// How much of no file is in this process's memory, in KiB.
    private static func residentAllocations() throws -> Int {
        let lines = try FilePath("/proc/self/status").text.split(separator: "\n")
        let line = try #require(lines.first { $0.hasPrefix("RssAnon:") })
        return try #require(Int(line.split { " \t".contains($0) }[1]))
    }
}
