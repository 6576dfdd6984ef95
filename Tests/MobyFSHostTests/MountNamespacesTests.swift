// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite(.enabled(if: Machine.isRoot, "mounting needs root"), .serialized)
struct MountNamespacesTests {
    @Test func findsNobodyWhereNobodyIs() async throws {
        try await withTemporaryDirectory { root in
            let survey = try MountNamespaces.survey([root])
            #expect(survey.users.isEmpty)
            #expect(survey.isComplete)
        }
    }

    @Test(arguments: ["", "sub"])
    func findsWhoeverHasTheDirectoryOrAPartOfItMounted(part: String) async throws {
        try await withTemporaryDirectory { root in
            let (volume, place) = (root.appending("volume"), root.appending("place"))
            try Directories.create(volume.appending("sub"), mode: 0o755)
            try Directories.create(place, mode: 0o755)
            let source = part.isEmpty ? volume : volume.appending(part)
            try #require(mount(source.string, place.string, nil, UInt(MS_BIND), nil) == 0)
            defer { umount2(place.string, CInt(MNT_DETACH)) }
            let survey = try MountNamespaces.survey([volume, root.appending("missing")])
            #expect(survey.users[volume]?.mountpoint == place)
            #expect(survey.users.count == 1)
        }
    }

    /// The mount that a directory itself is on is no use of it: a disk at /mnt/disk with mountpoint=/mnt/disk.
    @Test func doesNotCountTheMountThatTheDirectoryIsOn() async throws {
        try await withTemporaryDirectory { root in
            let disk = root.appending("disk")
            try Directories.create(disk, mode: 0o755)
            try #require(mount("none", disk.string, "tmpfs", 0, nil) == 0)
            defer { umount2(disk.string, CInt(MNT_DETACH)) }
            #expect(try MountNamespaces.survey([disk]).users.isEmpty)
        }
    }

    /// As systemd does it for `ReadWritePaths=`: the directory bound over itself.
    @Test func doesNotCountADirectoryThatIsMountedInItsOwnPlace() async throws {
        try await withTemporaryDirectory { root in
            let directory = root.appending("volume/sub")
            try Directories.create(directory, mode: 0o755)
            try #require(mount(directory.string, directory.string, nil, UInt(MS_BIND), nil) == 0)
            defer { umount2(directory.string, CInt(MNT_DETACH)) }
            #expect(try MountNamespaces.survey([directory]).users.isEmpty)
            #expect(try MountNamespaces.survey([root.appending("volume")]).users.isEmpty)
        }
    }
}
