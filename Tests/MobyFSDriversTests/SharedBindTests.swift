// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// Folders of a tree that passes on what is mounted in it, as systemd makes the whole of a host.
@Suite(.enabled(if: Machine.isRoot, "mounting needs root"))
struct SharedBindTests {
    /// A tree with a file system of the host mounted in it.
    private func withSharedTree(_ body: (ManagerFixture, FilePath, FilePath) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            let (tree, inner) = (root.appending("tree"), root.appending("tree/inner"))
            try Directories.create(tree, mode: 0o755)
            try Mounts.bind(tree, at: tree, options: [("shared", nil)])
            // Whatever a test leaves, and whether it passes.
            defer { try? Mounts.unmount(tree, detaching: true) }
            try Directories.create(inner, mode: 0o755)
            try Mounts.mount(type: "tmpfs", source: "host", at: inner)
            defer { try? Mounts.unmount(inner, detaching: true) }
            try await body(await ManagerFixture(root: root, drivers: [MountDriver()]), tree, inner)
        }
    }

    private func isMounted(_ path: FilePath) throws -> Bool { try Mounts.entry(at: path) != nil }

    @Test(arguments: ["bind", "rbind", "rbind,ro"])
    func comeAndGoWithoutWhatTheHostHasMounted(options: String) async throws {
        try await withSharedTree { fixture, tree, inner in
            let volumes = fixture.volumes
            try await volumes.create("db", options: ["type": "none", "device": tree.string, "o": options])
            _ = try await volumes.mount("db", id: "i", for: nil)
            try Directories.create(tree.appending("late"), mode: 0o755)
            try Mounts.mount(type: "tmpfs", source: "host", at: tree.appending("late"))
            defer { try? Mounts.unmount(tree.appending("late"), detaching: true) }
            try await volumes.unmount("db", id: "i")
            let left = try isMounted(fixture.runtime.appending("mounts/db"))
            #expect(!left)
            try await volumes.remove("db")
            for path in [tree, inner, tree.appending("late")] {
                let isThere = try isMounted(path)
                #expect(isThere, "\(path)")
            }
        }
    }

    @Test func aMountThatFailsTakesNothingOfTheHostAway() async throws {
        try await withSharedTree { fixture, tree, inner in
            try await fixture.volumes.create(
                "db", options: ["type": "none", "device": tree.string, "o": "rbind,ro", "mode": "0711"])
            await #expect(throws: VolumeError.self) { try await fixture.volumes.mount("db", id: "i", for: nil) }
            for path in [tree, inner] {
                let isThere = try isMounted(path)
                #expect(isThere, "\(path)")
            }
        }
    }
}
