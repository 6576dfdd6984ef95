// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import Testing

@Suite struct HeapTests {
    /// What is in use here and there keeps nothing else.
    @Test func givesBackWhatIsFreeBetweenWhatIsNot() throws {
        let blocks = (0..<(64 << 10)).map { _ in malloc(1024)! }
        for block in blocks { memset(block, 1, 1024) }
        for (number, block) in blocks.enumerated() where !number.isMultiple(of: 64) { free(block) }
        let before = try OwnMemory.kibibytes("RssAnon")
        Heap.release()
        let after = try OwnMemory.kibibytes("RssAnon")
        #expect(before - after > 32 << 10, "KiB of 64 MiB")
        for (number, block) in blocks.enumerated() where number.isMultiple(of: 64) { free(block) }
    }
}
