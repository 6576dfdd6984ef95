// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery
import MobyFSTesting
import SystemPackage
import Testing

@Suite struct SpecFileTests {
    private let address = "unix:///run/x.sock"

    @Test func writesOneLineAndRemovesIt() async throws {
        try await withTemporaryDirectory { root in
            let file = SpecFile(name: "x", directory: root.appending("docker/plugins").string)
            let path = FilePath(file.path)
            #expect(try file.address() == nil)
            try file.write(address: address)
            #expect(try path.text == "\(address)\n")
            #expect(path.attributes.mode == 0o644)
            try file.write(address: address)
            // A later address of ours replaces an earlier one.
            try file.write(address: "tcp://127.0.0.1:1")
            #expect(try file.address() == "tcp://127.0.0.1:1")
            #expect(try file.remove())
            #expect(!path.exists)
            #expect(try !file.remove())
        }
    }

    @Test func leavesAFileOfSomebodyElseAlone() async throws {
        try await withTemporaryDirectory { root in
            let file = SpecFile(name: "x", directory: root.string)
            try FilePath(file.path).write("tcp://elsewhere:1\n")
            #expect(throws: SpecFileError.self) { try file.write(address: address) }
            #expect(try !file.remove())
            #expect(try !file.remove(address: address))
            #expect(try file.address() == "tcp://elsewhere:1")
        }
    }

    @Test func leavesOursAloneOnceItSaysSomethingElse() async throws {
        try await withTemporaryDirectory { root in
            let file = SpecFile(name: "x", directory: root.string)
            try file.write(address: "tcp://127.0.0.1:1")
            #expect(try !file.remove(address: address))
            #expect(try file.address() == "tcp://127.0.0.1:1")
        }
    }
}
