// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite struct DurableFileTests {
    @Test func replacesAFileWhole() async throws {
        try await withTemporaryDirectory { root in
            let file = root.appending("file")
            try DurableFile.write("one, and longer".utf8, to: file)
            try DurableFile.write("two".utf8, to: file)
            #expect(try file.text == "two")
            #expect(file.attributes.mode == 0o600)
            #expect(try Directories.entries(of: root) == ["file"])
        }
    }

    @Test func leavesNothingBehindWhereItCannotWrite() async throws {
        try await withTemporaryDirectory { root in
            try Directories.create(root.appending("file/child"), mode: 0o755)
            #expect(throws: SystemCallError.self) { try DurableFile.write("x".utf8, to: root.appending("file")) }
            #expect(try Directories.entries(of: root) == ["file"])
        }
    }

    @Test func refusesWhatIsLargerThanTheLimit() async throws {
        try await withTemporaryDirectory { root in
            let file = root.appending("file")
            try file.write("12345")
            #expect(try DurableFile.read(file, limit: 5).count == 5)
            #expect(throws: SystemCallError.self) { try DurableFile.read(file, limit: 4) }
        }
    }
}
