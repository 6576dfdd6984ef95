// SPDX-License-Identifier: Apache-2.0

import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// `from=` with other options than the original has.
@Suite(.enabled(if: ImageTests.canRun, ImageTests.requirement))
struct ImageDriverCloneTests {
    /// A volume of 50 MiB with a snapshot, after which it was written to.
    private func withOriginal(
        on kind: PoolKind = .machine, _ body: (ManagerFixture) async throws -> Void
    ) async throws {
        try await withImageVolumes(on: kind) { fixture in
            let path = try await fixture.mounted("src", fs: "ext4", with: ["size": "50MiB"])
            try TestData.write(3, to: path)
            try path.appending("file").write("then")
            try await fixture.volumes.unmount("src", id: "c")
            _ = try await fixture.volumes.snapshot("src", as: "s")
            _ = try await fixture.volumes.mount("src", id: "c", for: nil)
            try path.appending("file").write("now")
            try await fixture.volumes.unmount("src", id: "c")
            try await body(fixture)
        }
    }

    /// What is there of volumes and of mounts, to be sure that nothing else stays.
    private func expectOnly(_ names: [String], in fixture: ManagerFixture) throws {
        #expect(try Directories.entries(of: fixture.pool.appending("volumes")).sorted() == names)
        let mounts = fixture.runtime.appending("mounts")
        #expect(try MountTable().entries.allSatisfy { !$0.mountpoint.starts(with: mounts) })
    }

    @Test(
        arguments: [
            ["size": "30MiB"], ["size": "80MiB"], ["fs": "xfs", "size": "400MiB"], ["sparse": "false"],
            ["fs": "btrfs", "size": "160MiB", "sparse": "false"],
        ], [("src", "now"), ("src@s", "then")])
    func haveWhatIsAskedFor(options: [String: String], source: (name: String, text: String)) async throws {
        try await withOriginal { fixture in
            try await fixture.volumes.create("new", options: options.merging(["from": source.name]) { $1 })
            try expectOnly(["new", "src"], in: fixture)
            let size = try #require(ByteSize(options["size"] ?? "50MiB"))
            #expect(try fixture.image("new").bytes == size.bytes)
            let values = try #require(try fixture.volumes.describe("new").volume?.options.values)
            #expect(values["size"] == size.normal && values["fs"] ?? "ext4" == options["fs"] ?? "ext4")
            if options["sparse"] == "false" { #expect(try fixture.image("new").allocatedBytes >= size.bytes) }

            let path = try await fixture.restarted().volumes.mount("new", id: "c", for: nil)
            #expect(try path.appending("file").text == source.text)
            let isWhole = try TestData.isWhole(3, in: path)
            #expect(isWhole)
            #expect(try Mounts.entry(at: fixture.mountpoint("new"))?.type == options["fs"] ?? "ext4")
            #expect(try fixture.image("src").bytes == 50 << 20)
        }
    }

    /// As a snapshot of it could be made.
    @Test func areMadeOfOneThatIsInUseWhereThePoolSharesBlocks() async throws {
        try await withOriginal(on: .xfs) { fixture in
            _ = try await fixture.volumes.mount("src", id: "c", for: nil)
            try await fixture.volumes.create("new", options: ["from": "src", "size": "30MiB"])
            let path = try await fixture.volumes.mount("new", id: "c", for: nil)
            #expect(try path.appending("file").text == "now")
            #expect(try Directories.entries(of: fixture.pool.appending("volumes")).sorted() == ["new", "src"])
        }
    }

    @Test func areNotMadeOfOneThatIsInUseElsewhere() async throws {
        try await withOriginal(on: .tmpfs) { fixture in
            _ = try await fixture.volumes.mount("src", id: "c", for: nil)
            let refusal = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("new", options: ["from": "src", "size": "30MiB"])
            }
            #expect(refusal?.code == .inUse)
            #expect(try Directories.entries(of: fixture.pool.appending("volumes")) == ["src"])
        }
    }

    @Test(arguments: ["src", "src@s"])
    func sayThatTheFilesDoNotFit(source: String) async throws {
        try await withOriginal { fixture in
            let path = try await fixture.volumes.mount("src", id: "c", for: nil)
            try TestData.write(20, to: path)
            try await fixture.volumes.unmount("src", id: "c")
            try await fixture.volumes.removeSnapshot("s", of: "src")
            _ = try await fixture.volumes.snapshot("src", as: "s")
            let refusal = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("new", options: ["from": source, "size": "16MiB"])
            }
            #expect(refusal?.message.contains("do not fit into 16 MiB") == true, "\(refusal?.message ?? "")")
            try expectOnly(["src"], in: fixture)
        }
    }

    /// The kernel gives a btrfs no new size below 256 MiB.
    @Test func growWhereTheFileSystemDoesNot() async throws {
        try await withImageVolumes { fixture in
            let path = try await fixture.mounted("src", fs: "btrfs")
            try path.appending("file").write("content")
            try await fixture.volumes.unmount("src", id: "c")
            try await fixture.volumes.create("new", options: ["from": "src", "size": "200MiB"])
            let copy = try await fixture.volumes.mount("new", id: "c", for: nil)
            #expect(try copy.appending("file").text == "content")
            #expect(try fixture.image("new").bytes == 200 << 20)
        }
    }
}
