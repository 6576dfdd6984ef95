// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite struct ProgramCodeTests {
    @Test func goesOnWithLessOfItInMemory() throws {
        let before = try Self.residentFiles()
        ProgramCode.release()
        let after = try Self.residentFiles()
        #expect(after < before)
    }

    /// How much of files is in this process's memory, in KiB.
    private static func residentFiles() throws -> Int {
        let lines = try FilePath("/proc/self/status").text.split(separator: "\n")
        let line = try #require(lines.first { $0.hasPrefix("RssFile:") })
        return try #require(Int(line.split { " \t".contains($0) }[1]))
    }
}
