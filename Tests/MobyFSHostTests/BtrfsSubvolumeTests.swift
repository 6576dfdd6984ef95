// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite(.enabled(if: Machine.hasBtrfs, "needs root, btrfs and mkfs.btrfs"), .serialized)
struct BtrfsSubvolumeTests {
    @Test func tellsSubvolumesFromDirectories() async throws {
        try await withBtrfs { pool in
            #expect(BtrfsDirectory.isBtrfs(pool))
            #expect(!BtrfsDirectory.isBtrfs("/proc") && !BtrfsDirectory.isBtrfs(pool.appending("absent")))
            #expect(throws: SystemCallError.self) { _ = try BtrfsDirectory("/proc") }

            let directory = try BtrfsDirectory(pool)
            try Directories.create(pool.appending("directory"), mode: 0o755)
            let names = ["a", "with \n and '", "ünïcödé ☃", String(repeating: "x", count: 255)]
            var seen: Set<String> = []
            for name in names {
                try directory.createSubvolume(named: name)
                let subvolume = try BtrfsDirectory(pool.appending(name)).subvolume()
                #expect(seen.insert(try #require(subvolume).uuid).inserted, "\(name)")
            }
            let plain = try BtrfsDirectory(pool.appending("directory"))
            #expect(try plain.subvolume() == nil)
            #expect(try plain.containingSubvolume().id == 5)
            for name in [String(repeating: "x", count: 256), "a", "..", "a/b/c"] {
                #expect(throws: SystemCallError.self, "\(name)") { try directory.createSubvolume(named: name) }
            }
            symlink("a", pool.appending("link").string)
            #expect(throws: SystemCallError.self) { _ = try BtrfsDirectory(pool.appending("link")) }
        }
    }

    @Test func setsCompressionAndNoCopyOnWrite() async throws {
        try await withBtrfs { pool in
            let directory = try BtrfsDirectory(pool)
            try directory.createSubvolume(named: "a")
            let a = try BtrfsDirectory(pool.appending("a"))
            #expect(try a.compression() == nil)
            for algorithm in ["zlib", "lzo", "zstd", "none"] {
                try a.setCompression(algorithm)
                #expect(try a.compression() == algorithm)
            }
            let unknown = #expect(throws: SystemCallError.self) { try a.setCompression("brotli") }
            #expect(unknown?.errno == .invalidArgument)

            try directory.createSubvolume(named: "b")
            let b = try BtrfsDirectory(pool.appending("b"))
            #expect(try !b.isWithoutCopyOnWrite())
            try b.disableCopyOnWrite()
            #expect(try b.isWithoutCopyOnWrite())
            // What is made inside is the same.
            try Directories.create(pool.appending("b/c"), mode: 0o755)
            let c = try BtrfsDirectory(pool.appending("b/c"))
            #expect(try c.isWithoutCopyOnWrite())
            #expect(throws: SystemCallError.self) { try b.setCompression("zstd") }
        }
    }

    @Test func knowsSnapshotsOfSnapshots() async throws {
        try await withBtrfs { pool in
            func snapshot(_ from: String, _ to: String) async throws -> BtrfsSubvolume {
                try await HelperProgram("btrfs", package: "btrfs-progs").run(
                    ["subvolume", "snapshot", pool.appending(from).string, pool.appending(to).string],
                    until: .now + .seconds(30))
                return try #require(try BtrfsDirectory(pool.appending(to)).subvolume())
            }
            let directory = try BtrfsDirectory(pool)
            try directory.createSubvolume(named: "one")
            try directory.createSubvolume(named: "other")
            let one = try #require(try BtrfsDirectory(pool.appending("one")).subvolume())
            let other = try #require(try BtrfsDirectory(pool.appending("other")).subvolume())
            let child = try await snapshot("one", "child")
            let grandchild = try await snapshot("child", "grandchild")
            #expect(try directory.descends(child, from: one.uuid))
            #expect(try directory.descends(grandchild, from: one.uuid))
            #expect(try !directory.descends(one, from: grandchild.uuid))
            #expect(try !directory.descends(other, from: one.uuid))
            #expect(try !directory.descends(grandchild, from: "nonsense"))
        }
    }
}
