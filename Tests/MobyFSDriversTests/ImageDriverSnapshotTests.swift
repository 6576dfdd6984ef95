// SPDX-License-Identifier: Apache-2.0

import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// Snapshots of images, where the pool can share blocks and where it cannot.
@Suite(.enabled(if: ImageTests.canRun, ImageTests.requirement))
struct ImageDriverSnapshotTests {
    @Test(arguments: [PoolKind.xfs, .btrfs], ["ext4", "xfs", "btrfs"])
    func holdWhatWasWrittenWhileMoreIs(pool: PoolKind, fs: String) async throws {
        try await withImageVolumes(on: pool) { fixture in
            let path = try await fixture.mounted("db", fs: fs)
            try TestData.write(3, to: path)
            try path.appending("open").write("before")
            let writer = Task {
                var count = 0
                while !Task.isCancelled {
                    try path.appending("busy-\(count % 8)").write(String(repeating: "x", count: 4096))
                    count += 1
                    await Task.yield()
                }
                return count
            }
            _ = try await fixture.volumes.snapshot("db", as: "live")
            try path.appending("open").write("after")
            // From the snapshot, and from the volume itself.
            try await fixture.volumes.create("then", options: ["from": "db@live"])
            try await fixture.volumes.create("now", options: ["from": "db"])
            writer.cancel()
            let count = try await writer.value
            #expect(count > 0)
            for (name, text) in [("then", "before"), ("now", "after")] {
                let copy = try await fixture.volumes.mount(name, id: "c", for: nil)
                let isWhole = try TestData.isWhole(3, in: copy)
                #expect(isWhole)
                #expect(try copy.appending("open").text == text)
            }
            // They share their blocks.
            let shared = try fixture.image("db").allocatedBytes
            #expect(shared > 3 << 20)
            for name in ["then", "now", "db"] { try await fixture.volumes.unmount(name, id: "c") }
            await fixture.volumes.unmountIdle()
            try await fixture.volumes.restore("db", from: "live")
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try path.appending("open").text == "before")
        }
    }

    /// What was promised to a volume that has all its blocks is not shared with a snapshot.
    @Test func takeNothingFromAnImageThatHasAllItsBlocks() async throws {
        try await withImageVolumes(on: .xfs) { fixture in
            let path = try await fixture.mounted("db", fs: "ext4", with: ["sparse": "false"])
            try TestData.write(3, to: path)
            let refusal = await #expect(throws: VolumeError.self) { try await fixture.volumes.snapshot("db") }
            #expect(refusal?.code == .inUse && refusal?.message.contains("sparse=false") == true)
            try await fixture.volumes.unmount("db", id: "c")
            let name = try await fixture.volumes.snapshot("db").description
            let copy = SparseFile(fixture.pool.appending("volumes/db/snapshots/\(name)/image"))
            #expect(try copy.allocatedBytes >= fixture.image("db").bytes)
        }
    }

    /// The volume has the size again that its content has.
    @Test(arguments: ["ext4", "xfs", "btrfs"])
    func takeTheSizeOfThenAlong(fs: String) async throws {
        try await withImageVolumes { fixture in
            let size = try #require(ImageTests.sizes[fs].flatMap { ByteSize($0) })
            _ = try await fixture.mounted("db", fs: fs)
            try await fixture.volumes.unmount("db", id: "c")
            _ = try await fixture.volumes.snapshot("db", as: "small")
            _ = try await fixture.volumes.resize("db", to: "600MiB")
            try await fixture.volumes.restore("db", from: "small")
            #expect(try fixture.volumes.describe("db").volume?.options.size == size)
            #expect(try fixture.image("db").bytes == size.bytes)
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try await fixture.restarted().volumes.describe("db").volume?.options.size == size)
        }
    }
}
