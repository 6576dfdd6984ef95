// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite(.enabled(if: Machine.hasBtrfs, "needs root, btrfs and mkfs.btrfs"), .serialized)
struct BtrfsSubvolumeRemoverTests {
    private func remove(below path: FilePath, patience: Duration = .seconds(60)) throws {
        try BtrfsSubvolumeRemover.remove(below: path, until: .now + patience)
    }

    private func create(_ path: FilePath) throws {
        try BtrfsDirectory(path.removingLastComponent()).createSubvolume(named: path.lastComponent?.string ?? "")
    }

    /// The groups of subvolumes and volumes but the file system's own.
    private func groups(_ pool: FilePath) throws -> [BtrfsGroup] {
        let directory = try BtrfsDirectory(pool)
        return try (256..<1024).flatMap { id in
            try [BtrfsGroup.subvolume(id), .volume(id)].filter { try directory.usage(of: $0) != nil }
        }
    }

    /// Those of subvolumes newer kernels remove themselves, once they have cleared them away.
    private func expectNoGroups(_ pool: FilePath) async throws {
        let directory = try BtrfsDirectory(pool)
        try await eventually("all quota groups are gone") {
            try directory.commit()
            return try groups(pool).isEmpty
        }
    }

    @Test func deletesSubvolumesAtAnyPlaceBelow() async throws {
        try await withBtrfs { pool in
            let tree = pool.appending("tree")
            try Directories.create(tree.appending("a/b/c"), mode: 0o755)
            try create(tree.appending("a/b/c/s"))
            try Directories.create(tree.appending("a/b/c/s/d"), mode: 0o755)
            try create(tree.appending("a/b/c/s/d/t"))
            try create(tree.appending("a/b/c/s/d/t/u\n☃"))
            try tree.appending("a/b/c/s/d/t/u\n☃/file").write("x")
            try tree.appending("a/b/file").write("stays")
            // Beside it, and where a link leads.
            try create(pool.appending("tree2"))
            try create(pool.appending("other"))
            try pool.appending("other/file").write("precious")
            symlink("../other", tree.appending("link").string)
            symlink("../../../../../other", tree.appending("a/b/c/s/link").string)

            try remove(below: tree)
            try remove(below: tree)
            #expect(!tree.appending("a/b/c/s").exists)
            #expect(try tree.appending("a/b/file").text == "stays")
            #expect(try pool.appending("other/file").text == "precious")
            #expect(pool.appending("tree2").exists)
            #expect(try Directories.entries(of: tree).sorted() == ["a", "link"])
            // The directory itself may be a subvolume.
            try create(pool.appending("tree2/nested"))
            try remove(below: pool.appending("tree2"))
            #expect(try Directories.entries(of: pool.appending("tree2")).isEmpty)
        }
    }

    @Test func ignoresOtherFileSystems() async throws {
        try await withTemporaryDirectory { root in
            try remove(below: root)
            try remove(below: root.appending("absent"))
        }
    }

    /// Longer than any path may be, in names that are no text.
    @Test func deletesWhatHasNoPath() async throws {
        try await withBtrfs { pool in
            let tree = pool.appending("tree")
            try create(tree)
            var directory = open(tree.string, O_RDONLY | O_DIRECTORY)
            let name = [CChar](repeating: -1, count: 255) + [0]
            for _ in 0..<40 {
                try #require(mkdirat(directory, name, 0o755) == 0)
                let next = openat(directory, name, O_RDONLY | O_DIRECTORY)
                close(directory)
                directory = next
            }
            try BtrfsDirectory(FilePath("/proc/self/fd/\(directory)/.")).createSubvolume(named: "deep")
            close(directory)
            try remove(below: pool)
            #expect(try Directories.entries(of: pool).isEmpty)
        }
    }

    @Test func deletesManyThatAreInsideEachOther() async throws {
        try await withBtrfs { pool in
            var path = pool
            for _ in 0..<60 {
                path.append("s")
                try create(path)
            }
            try remove(below: pool)
            #expect(try Directories.entries(of: pool).isEmpty)
        }
    }

    /// A read-only subvolume keeps those in it.
    @Test func deletesReadOnlySubvolumes() async throws {
        try await withBtrfs { pool in
            try create(pool.appending("tree"))
            try create(pool.appending("tree/inner"))
            try await HelperProgram("btrfs", package: "btrfs-progs").run(
                ["property", "set", "-t", "subvol", pool.appending("tree").string, "ro", "true"],
                until: .now + .seconds(30))
            #expect(throws: SystemCallError.self) { try create(pool.appending("tree/refused")) }
            try remove(below: pool)
            #expect(try Directories.entries(of: pool).isEmpty)
        }
    }

    /// There is not even room to delete in a full one.
    @Test(arguments: [false, true])
    func deletesFullSubvolumesAndTheirGroups(countingAll: Bool) async throws {
        try await withBtrfs { pool in
            let directory = try BtrfsDirectory(pool)
            try directory.enableQuota(countingAll: countingAll)
            #expect(try directory.waitForRescan(until: .now + .seconds(30)))
            let tree = pool.appending("tree")
            try Directories.create(tree, mode: 0o711)
            try create(tree.appending("data"))
            let id = try #require(try BtrfsDirectory(tree.appending("data")).subvolume()).id
            try directory.createGroup(.volume(id))
            try directory.setLimit(of: .volume(id), to: 16 << 20)
            try directory.assign(.subvolume(id), to: .volume(id))
            try create(tree.appending("data/nested"))
            try create(tree.appending("data/nested/inner"))
            for name in ["data/nested/file", "data/file", "data/file2"] {
                _ = try tree.appending(name).writeUntilRefused(atMost: 32 << 20)
            }
            try directory.commit()
            if try #require(try directory.quotaStatus()).isSimple {
                #expect(rmdir(tree.appending("data/nested/inner").string) != 0)
            }
            #expect(try groups(pool).count == 4)

            try remove(below: tree)
            #expect(try Directories.entries(of: tree).isEmpty)
            try await expectNoGroups(pool)
            // And once more, when there is nothing left to do.
            try remove(below: tree)
        }
    }

    /// A full file system has no room for a note either, and gets none unless something is deleted.
    @Test func deletesWhereTheFileSystemIsFull() async throws {
        try await withBtrfs { pool in
            let directory = try BtrfsDirectory(pool)
            try directory.enableQuota(countingAll: false)
            let tree = pool.appending("tree")
            try Directories.create(tree, mode: 0o711)
            try create(tree.appending("data"))
            try create(tree.appending("data/nested"))
            let id = try #require(try BtrfsDirectory(tree.appending("data")).subvolume()).id
            try directory.createGroup(.volume(id))
            try directory.assign(.subvolume(id), to: .volume(id))
            _ = try tree.appending("data/file").writeUntilRefused(atMost: 8 << 20)
            try directory.commit()
            try fill(pool, names: tree.appending("data/nested"))
            let refusal = #expect(throws: SystemCallError.self) {
                try DurableFile.write("x".utf8, to: tree.appending("note"))
            }
            #expect(refusal?.errno == .noSpace)

            try remove(below: tree)
            #expect(try Directories.entries(of: tree).isEmpty)
            try await expectNoGroups(pool)
            try DurableFile.write("x".utf8, to: tree.appending("note"))
        }
    }

    /// Takes all room there is: that of data, and then that of names.
    private func fill(_ pool: FilePath, names folder: FilePath) throws {
        #expect(try pool.appending("filler").writeUntilRefused(atMost: 1 << 30).reason == .noSpace)
        let name = String(repeating: "x", count: 240)
        for number in 0..<1_000_000 {
            let file = open(folder.appending("\(name)\(number)").string, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
            guard file >= 0 else {
                #expect(Errno(rawValue: errno) == .noSpace)
                return
            }
            close(file)
        }
        Issue.record("there is room for any number of files")
    }

    /// The kernel counts for a subvolume as long as a file in it is open; that must not be forgotten.
    @Test func comesBackForTheGroupsOfWhatIsOpen() async throws {
        try await withBtrfs { pool in
            let directory = try BtrfsDirectory(pool)
            try directory.enableQuota(countingAll: false)
            let tree = pool.appending("tree")
            try Directories.create(tree, mode: 0o711)
            try create(tree.appending("data"))
            let id = try #require(try BtrfsDirectory(tree.appending("data")).subvolume()).id
            try directory.createGroup(.volume(id))
            try directory.assign(.subvolume(id), to: .volume(id))
            try tree.appending("data/file").write("x")
            let file = open(tree.appending("data/file").string, O_RDONLY)

            // Since Linux 6.12 the kernel does the rest; before, there is more to do.
            do {
                try remove(below: tree, patience: .milliseconds(50))
            } catch let error as SystemCallError {
                #expect(error.errno == .resourceBusy)
            }
            #expect(!tree.appending("data").exists)
            #expect(try !groups(pool).contains(.volume(id)))

            close(file)
            try remove(below: tree)
            #expect(try Directories.entries(of: tree).isEmpty)
            try await expectNoGroups(pool)
        }
    }
}
