// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// `from=`, with directories.
@Suite struct CopyingTests {
    private func withSource(_ body: (ManagerFixture, FilePath) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            let driver = DirectoryDriver(reserved: [root.appending("pool")])
            let fixture = await ManagerFixture(root: root, drivers: [driver])
            try await fixture.volumes.create("one", options: [:])
            let path = fixture.pool.appending("volumes/one/data")
            try path.appending("a file, with 100%").write("content")
            symlink("nowhere", path.appending("link").string)
            link(path.appending("a file, with 100%").string, path.appending("-hard").string)
            chmod(path.string, 0o1777)
            try await body(fixture, path)
        }
    }

    @Test func beginsWithAllThatTheOtherHas() async throws {
        try await withSource { fixture, _ in
            try await fixture.volumes.create("two", options: ["from": "one"])
            let copy = try await fixture.volumes.mount("two", id: "i", for: nil)
            let names = try Set(Directories.entries(of: copy))
            #expect(names == ["a file, with 100%", "link", "-hard"])
            #expect(try copy.appending("-hard").text == "content")
            #expect(copy.attributes.mode == 0o1777)
            // The same again is content with what is there.
            try await fixture.volumes.create("two", options: ["from": "one"])
        }
    }

    @Test(arguments: [
        ("missing", "no such volume"), ("two", "names the new volume itself"), ("../one", "option from='../one'"),
        ("", "option from=''"),
    ])
    func refusesWhatIsNoOtherVolume(source: String, words: String) async throws {
        try await withSource { fixture, _ in
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("two", options: ["from": source])
            }
            #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
            #expect(fixture.volumes.counts.volumes == 1)
        }
    }

    @Test func refusesOneThatIsInUseAndLeavesNothing() async throws {
        try await withSource { fixture, _ in
            _ = try await fixture.volumes.mount("one", id: "i", for: nil)
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("two", options: ["from": "one"])
            }
            #expect(error?.code == .inUse)
            let volumes = try Directories.entries(of: fixture.pool.appending("volumes"))
            #expect(volumes == ["one"])
        }
    }

    /// What is not in the pool cannot be a copy of the snapshot as a whole.
    @Test func copiesTheFilesOfASnapshot() async throws {
        try await withSource { fixture, source in
            _ = try await fixture.volumes.snapshot("one", as: "before")
            try source.appending("a file, with 100%").write("other content")
            let path = fixture.root.appending("srv")
            try await fixture.volumes.create("two", options: ["from": "one@before", "mountpoint": path.string])
            #expect(try path.appending("a file, with 100%").text == "content")
            #expect(try source.appending("a file, with 100%").text == "other content")
            let volumes = try Directories.entries(of: fixture.pool.appending("volumes")).sorted()
            #expect(volumes == ["one", "two"])
        }
    }

    @Test func copiesOverNothingThatIsThere() async throws {
        try await withSource { fixture, _ in
            let path = fixture.root.appending("srv")
            try Directories.create(path, mode: 0o755)
            try path.appending("precious").write("")
            await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("two", options: ["from": "one", "mountpoint": path.string])
            }
            let names = try Directories.entries(of: path)
            #expect(names == ["precious"])
        }
    }
}
