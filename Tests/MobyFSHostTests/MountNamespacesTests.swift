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

    /// Of which the kernel tells nobody who waits for changes of the mount table.
    @Test func findsWhatWasMountedBeforeItWasMovedIntoTheDirectory() async throws {
        try await withTemporaryDirectory { root in
            let (volume, other, alone) = (root.appending("volume"), root.appending("other"), root.appending("alone"))
            for folder in [volume, other, alone] { try Directories.create(folder, mode: 0o755) }
            try Mounts.mount(type: "tmpfs", source: "none", at: alone)
            defer { umount2(alone.string, CInt(MNT_DETACH)) }
            // Else the namespaces of others have it too.
            try #require(mount(nil, alone.string, nil, UInt(MS_PRIVATE), nil) == 0)
            let place = alone.appending("place")
            try Directories.create(place, mode: 0o755)
            try Mounts.bind(other, at: place)
            #expect(try MountNamespaces.survey([volume]).users.isEmpty)
            try Files.rename(other, to: volume.appending("moved"))
            #expect(try MountNamespaces.survey([volume]).users[volume]?.mountpoint == place)
        }
    }

    @Test(.enabled(if: FilePath("/usr/bin/python3").exists, "needs python3, to end the first thread of a process"))
    func findsAProcessWhoseFirstThreadHasEnded() async throws {
        try await withTemporaryDirectory { root in
            let (volume, place) = (root.appending("volume"), root.appending("place"))
            for folder in [volume, place] { try Directories.create(folder, mode: 0o755) }
            let program = """
                import ctypes, threading, time
                threading.Thread(target=lambda: time.sleep(300)).start()
                ctypes.CDLL(None).pthread_exit(None)
                """
            let script = """
                unshare --mount --propagation private sh -euc 'mount --bind "$0" "$1"; exec python3 -c "$2"' \
                    '\(volume)' '\(place)' '\(program)' </dev/null >/dev/null 2>&1 &
                echo -n $!
                """
            let shell = HelperProgram("sh", package: "dash")
            let output = try await shell.run(["-euc", script], until: .now + .seconds(90))
            let processID = try #require(Int32(output))
            defer { kill(processID, SIGKILL) }
            try await eventually("its first thread has ended") {
                try FilePath("/proc/\(processID)/stat").text.split(separator: ")").last?.hasPrefix(" Z") == true
            }
            #expect(try MountNamespaces.survey([volume]).users[volume]?.processID == processID)
        }
    }
}
