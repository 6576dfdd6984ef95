// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// A pool without a single block left.
@Suite(.enabled(if: ImageTests.canRun, ImageTests.requirement))
struct FullPoolTests {
    /// Takes all the room there is.
    private func fill(_ pool: FilePath) throws {
        let file = try FileDescriptor.open(
            pool.appending("ballast"), .writeOnly, options: [.create], permissions: .ownerReadWrite)
        defer { try? file.close() }  // what was not written is no matter
        for size in [1 << 20, 4096, 1] {
            let bytes = [UInt8](repeating: 1, count: size)
            while true {
                do {
                    try file.writeAll(bytes)
                    guard fsync(file.rawValue) == 0 else { break }
                } catch { break }
            }
        }
    }

    @Test(arguments: [PoolKind.xfs, .ext4])
    func losesNoVolumeThatIsRenamedOrRestored(pool: PoolKind) async throws {
        try await withImageVolumes(on: pool, poolBytes: 400 << 20) { fixture in
            for name in ["here", "gone"] {
                try await fixture.volumes.create(name, options: ["size": "16M", "on-remove": "trash"])
            }
            try await fixture.volumes.remove("gone")
            try fill(fixture.pool)
            // Whether there was room for a record or not: what is said is so.
            let isRenamed = (try? await fixture.volumes.rename("here", to: "there")) != nil
            let isRestored = (try? await fixture.volumes.restoreFromTrash("gone")) != nil
            let expected = [isRenamed ? "there" : "here"] + (isRestored ? ["gone"] : [])
            for volumes in [fixture.volumes, await fixture.restarted().volumes] {
                #expect(try volumes.describeAll().map(\.name.description) == expected.sorted())
                #expect(try await volumes.trashed().count == (isRestored ? 0 : 1))
            }
            try Files.unlink(fixture.pool.appending("ballast"))
            let volumes = await fixture.restarted().volumes
            if !isRenamed { try await volumes.rename("here", to: "there") }
            if !isRestored { _ = try await volumes.restoreFromTrash("gone") }
            for name in ["there", "gone"] {
                _ = try await volumes.mount(name, id: "c", for: nil)
                try await volumes.unmount(name, id: "c")
            }
        }
    }

    @Test(arguments: [PoolKind.xfs, .ext4])
    func canBeEmptied(pool: PoolKind) async throws {
        try await withImageVolumes(on: pool, poolBytes: 400 << 20) { fixture in
            let tree = fixture.pool.appending("tree")
            for index in 0..<200 {
                try Directories.create(tree.appending("dir\(index)/sub/deeper"), mode: 0o755, isDurable: false)
                for file in 0..<5 { try tree.appending("dir\(index)/sub/deeper/file\(file)").write("x") }
            }
            try fill(fixture.pool)
            try TreeRemover.remove(tree)
            #expect(!tree.exists)
        }
    }
}
