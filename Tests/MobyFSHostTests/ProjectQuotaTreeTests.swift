// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// Whole trees that change their project; the name lets it run where ``ProjectQuotaTests`` do.
@Suite struct ProjectQuotaTreeTests {
    private static let number: UInt32 = 7_000_000
    private static var later: ContinuousClock.Instant { .now + .seconds(100) }

    /// Runs `body` with an empty directory of a file system with quotas.
    private func withTree(
        _ type: QuotaFileSystem, _ body: (FilePath, borrowing ProjectQuota) async throws -> Void
    ) async throws {
        try await type.with { root in
            let tree = root.appending("tree")
            try Directories.create(tree, mode: 0o755)
            try await body(tree, ProjectQuota(of: root))
        }
    }

    /// A file of two folders is no more the one's than the other's.
    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func leavesFilesAloneThatHaveNamesElsewhere(type: QuotaFileSystem) async throws {
        try await withTree(type) { tree, quota in
            let outside = tree.removingLastComponent().appending("outside")
            try outside.write("none of ours")
            try check(link(outside.string, tree.appending("hard").string), "link")
            try tree.appending("own").write("x")
            try check(link(tree.appending("own").string, tree.appending("second").string), "link")
            try ProjectTree.assign(tree, to: Self.number, from: .any, until: Self.later)
            // The folder, and the file that has both its names there.
            #expect(try quota.usage(of: Self.number).usedInodes == 2)
        }
    }

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func takesAllThatIsInATreeAndNothingElse(type: QuotaFileSystem) async throws {
        try await withTree(type) { tree, quota in
            let outside = tree.removingLastComponent().appending("outside")
            try Directories.create(outside, mode: 0o755)
            try outside.appending("file").write("none of ours")
            try Directories.create(tree.appending("a/b/c"), mode: 0o700)
            for name in ["a/file", "a/b/file", "a/b/c/file", "empty"] {
                try tree.pushing(FilePath(name)).write("x")
            }
            symlink(outside.string, tree.appending("link").string)
            symlink(outside.appending("file").string, tree.appending("a/link").string)
            mkfifo(tree.appending("fifo").string, 0o600)
            mknod(tree.appending("device").string, S_IFCHR | 0o600, 0x0103)
            // Mounted in it, but not of it.
            let mounted = tree.appending("mounted")
            try Directories.create(mounted, mode: 0o755)
            try Mounts.bind(outside, at: mounted)
            defer { try? Mounts.unmount(mounted) }

            try ProjectTree.assign(tree, to: Self.number, from: .any, until: Self.later)
            // tree, a, b, c, the directory below the mount; four files. The mount hides one of them.
            #expect(try quota.usage(of: Self.number).usedInodes == 8)
            #expect(try ProjectMembership(of: outside) == .none)
            for name in ["", "a", "a/b", "a/b/c"] {
                let membership = try ProjectMembership(of: tree.pushing(FilePath(name)))
                #expect(membership == ProjectMembership(id: Self.number, inherits: true), "\(name)")
            }
            // What is made now belongs to it.
            try tree.appending("a/b/new").write("x")
            #expect(try quota.usage(of: Self.number).usedInodes == 9)

            try ProjectTree.assign(tree, to: 0, from: .project(Self.number), until: Self.later)
            #expect(try quota.usage(of: Self.number).isFree)
            #expect(try ProjectMembership(of: tree.appending("a")) == .none)
        }
    }

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func takesWhatIsImmutableAndLeavesItSo(type: QuotaFileSystem) async throws {
        try await withTree(type) { tree, quota in
            let chattr = HelperProgram("chattr", package: "e2fsprogs")
            let paths = [tree.appending("immutable"), tree.appending("append-only")]
            for path in paths { try path.write("x") }
            try await chattr.run(["+i", paths[0].string], until: Self.later)
            try await chattr.run(["+a", paths[1].string], until: Self.later)
            try ProjectTree.assign(tree, to: Self.number, from: .any, until: Self.later)
            #expect(try quota.usage(of: Self.number).usedInodes == 3)
            for path in paths { #expect(unlink(path.string) == -1 && errno == EPERM, "\(path)") }
            for path in paths { try await chattr.run(["-ia", path.string], until: Self.later) }
        }
    }

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func takesNothingFromOthers(type: QuotaFileSystem) async throws {
        try await withTree(type) { tree, quota in
            try Directories.create(tree.appending("a/theirs"), mode: 0o755)
            try ProjectMembership(id: 42, inherits: true).apply(to: tree.appending("a/theirs"))
            let problem = #expect(throws: ProjectTree.Problem.self) {
                try ProjectTree.assign(tree, to: Self.number, from: .unclaimed, until: Self.later)
            }
            guard case .claimed(_, by: 42) = problem else { return #expect(Bool(false), "\(problem as Any)") }
            // It is not done, and looks so.
            #expect(try ProjectMembership(of: tree) == .none)
            try ProjectTree.assign(tree, to: 0, from: .project(Self.number), until: Self.later)
            #expect(try quota.usage(of: Self.number).isFree)
            #expect(try quota.usage(of: 42).usedInodes == 1)
        }
    }

    @Test(.needsProjectQuotas, arguments: QuotaFileSystem.allCases)
    func givesUpWhereThereIsTooMuch(type: QuotaFileSystem) async throws {
        try await withTree(type) { tree, _ in
            for index in 0..<5 { try tree.appending("file\(index)").write("x") }
            #expect(throws: ProjectTree.Problem.tooMany(5)) {
                try ProjectTree.assign(tree, to: Self.number, from: .any, atMost: 5, until: Self.later)
            }
            #expect(throws: ProjectTree.Problem.late) {
                try ProjectTree.assign(tree, to: Self.number, from: .any, until: .now - .seconds(1))
            }
            #expect(try ProjectMembership(of: tree) == .none)
            try ProjectTree.assign(tree, to: Self.number, from: .any, atMost: 6, until: Self.later)
        }
    }

    /// Deeper than a path can be long, and than descriptors would last.
    @Test(.needsProjectQuotas) func goesAsDeepAsItGets() async throws {
        try await withTree(.xfs) { tree, quota in
            let name = String(repeating: "d", count: 100)
            var current = open(tree.string, O_RDONLY | O_DIRECTORY)
            for _ in 0..<200 {
                try #require(mkdirat(current, name, 0o755) == 0)
                let next = openat(current, name, O_RDONLY | O_DIRECTORY)
                close(current)
                current = next
            }
            close(current)
            try ProjectTree.assign(tree, to: Self.number, from: .any, until: Self.later)
            #expect(try quota.usage(of: Self.number).usedInodes == 201)
        }
    }
}
