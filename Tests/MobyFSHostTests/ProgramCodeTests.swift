// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import Testing

@Suite struct ProgramCodeTests {
    @Test func goesOnWithLessOfItInMemory() throws {
        let before = try OwnMemory.kibibytes("RssFile")
        ProgramCode.release()
        let after = try OwnMemory.kibibytes("RssFile")
        #expect(after < before)
    }
}
