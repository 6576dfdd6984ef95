// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite struct TreeRemoverTests {
    @Test func removesWhateverAContainerMayLeave() async throws {
        try await withTemporaryDirectory { root in
            let tree = root.appending("tree")
            try Directories.create(tree.appending("a/b/c"), mode: 0o755)
            try tree.appending("a/file").write("x")
            try Directories.create(tree.appending(".purge-1/x"), mode: 0o700)
            mkfifo(tree.appending("a/b/pipe").string, 0o600)
            symlink("/nowhere", tree.appending("dangling").string)
            for index in 0..<300 { try tree.appending("a/b/c/line\n\(index)").write("") }
            try TreeRemover.remove(tree)
            #expect(!tree.exists)
        }
    }

    /// A name that is no text is another one once it was made text; there the remover went round for ever.
    @Test func removesNamesInNoEncoding() async throws {
        try await withTemporaryDirectory { root in
            let tree = root.appending("tree")
            try Directories.create(tree, mode: 0o755)
            let directory = try check(open(tree.string, O_RDONLY | O_DIRECTORY), "open '\(tree)'")
            defer { close(directory) }
            let (file, folder): ([CChar], [CChar]) = ([-1, 0x61, 0], [-2, 0x62, 0])
            try check(mkdirat(directory, folder, 0o755), "mkdir")
            let inner = try check(openat(directory, folder, O_RDONLY | O_DIRECTORY), "open")
            try check(mkdirat(inner, folder, 0o755), "mkdir")
            for place in [directory, inner] { close(openat(place, file, O_WRONLY | O_CREAT, 0o644)) }
            close(inner)
            try TreeRemover.remove(tree)
            #expect(!tree.exists)
        }
    }

    /// Immutable files and folders are no reason to keep what was removed; a name outside keeps the file immutable.
    @Test(.enabled(if: Machine.isRoot, "chattr needs root"))
    func removesWhatChattrHasFrozen() async throws {
        try await withTemporaryDirectory { root in
            let (tree, outside) = (root.appending("tree"), root.appending("outside"))
            try Directories.create(tree, mode: 0o755)
            let shell = HelperProgram("sh", package: "dash")
            try await shell.run(
                [
                    "-euc",
                    """
                    cd '\(tree)'; mkdir -p a/b/c empty append; echo x >a/b/file; echo x >append/file; echo x >'\(outside)'
                    ln '\(outside)' shared; chattr +i shared a/b a/b/file empty; chattr +a append append/file .
                    """,
                ], until: .now + .seconds(90))
            try TreeRemover.remove(tree)
            #expect(!tree.exists)
            let flags = try await HelperProgram("lsattr", package: "e2fsprogs").run(
                [outside.string], until: .now + .seconds(90))
            #expect(flags.prefix { $0 != " " }.contains("i"))
            try await shell.run(["-euc", "chattr -i '\(outside)'"], until: .now + .seconds(90))
        }
    }

    @Test func followsNoSymbolicLink() async throws {
        try await withTemporaryDirectory { root in
            let (tree, outside) = (root.appending("tree"), root.appending("outside"))
            try Directories.create(tree.appending("sub"), mode: 0o755)
            try Directories.create(outside, mode: 0o755)
            try outside.appending("precious").write("data")
            symlink(outside.string, tree.appending("link").string)
            symlink("../../outside", tree.appending("sub/link").string)
            try TreeRemover.remove(tree)
            #expect(!tree.exists)
            #expect(try outside.appending("precious").text == "data")
        }
    }

    /// Deeper than a process may have files open.
    @Test func removesTreesOfAnyDepth() async throws {
        try await withTemporaryDirectory { root in
            let tree = root.appending("tree")
            try Directories.create(tree, mode: 0o755)
            var directory = open(tree.string, O_RDONLY | O_DIRECTORY)
            for _ in 0..<4096 {
                mkdirat(directory, "d", 0o755)
                let next = openat(directory, "d", O_RDONLY | O_DIRECTORY)
                close(directory)
                directory = next
            }
            close(directory)
            try TreeRemover.remove(tree)
            #expect(!tree.exists)
        }
    }

    @Test(.enabled(if: Machine.isRoot, "mounting needs root"))
    func entersNoMount() async throws {
        try await withTemporaryDirectory { root in
            let (tree, outside) = (root.appending("tree"), root.appending("outside"))
            try Directories.create(tree.appending("a/mounted"), mode: 0o755)
            try tree.appending("a/other").write("x")
            try Directories.create(outside, mode: 0o755)
            try outside.appending("precious").write("data")
            try #require(
                mount(outside.string, tree.appending("a/mounted").string, nil, UInt(MS_BIND), nil) == 0)
            defer { umount2(tree.appending("a/mounted").string, CInt(MNT_DETACH)) }
            #expect(throws: SystemCallError.self) { try TreeRemover.remove(tree) }
            #expect(try outside.appending("precious").text == "data")
            // All the rest is gone.
            #expect(!tree.appending("a/other").exists)
        }
    }
}
