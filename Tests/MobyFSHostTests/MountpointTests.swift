// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite(.enabled(if: Machine.isRoot, "mounting needs root"))
struct MountpointTests {
    @Test func nobodyCanWriteWhereNothingIsMounted() async throws {
        try await withTemporaryDirectory { root in
            let mountpoint = Mountpoint(root.appending("a/b/c"))
            for _ in 0..<2 {
                try mountpoint.prepare()
                #expect(mountpoint.path.attributes == (0, 0, 0))
                #expect(root.appending("a/b").attributes.mode == 0o711)
            }
            // Immutable here: /tmp is on a file system that knows the flag, or this is a machine that proves less.
            let file = mountpoint.path.appending("file")
            if mkdir(file.string, 0o755) == 0 {
                let error = #expect(throws: SystemCallError.self) { try mountpoint.prepare() }
                #expect(error?.errno == .directoryNotEmpty)
                rmdir(file.string)
            }
            try Mounts.mount(type: "tmpfs", source: "x", at: mountpoint.path, options: [("mode", "0755")])
            try mountpoint.prepare()
            #expect(mountpoint.path.attributes.mode == 0o755)
            let busy = #expect(throws: SystemCallError.self) { try mountpoint.remove() }
            #expect(busy?.errno == .resourceBusy)
            try Mounts.unmount(mountpoint.path)
            for _ in 0..<2 { try mountpoint.remove() }
            #expect(!mountpoint.path.exists)
        }
    }

    @Test func takesOverADirectoryThatIsThere() async throws {
        try await withTemporaryDirectory { root in
            let mountpoint = Mountpoint(root.appending("a"))
            try Directories.create(mountpoint.path, mode: 0o777)
            chown(mountpoint.path.string, 1000, 1000)
            try mountpoint.prepare()
            #expect(mountpoint.path.attributes == (0, 0, 0))
            try mountpoint.remove()

            symlink("/etc", mountpoint.path.string)
            #expect(throws: SystemCallError.self) { try mountpoint.prepare() }
            #expect(throws: SystemCallError.self) { try mountpoint.remove() }
            unlink(mountpoint.path.string)

            try Directories.create(mountpoint.path.appending("data"), mode: 0o755)
            let error = #expect(throws: SystemCallError.self) { try mountpoint.prepare() }
            #expect(error?.errno == .directoryNotEmpty)
        }
    }
}
