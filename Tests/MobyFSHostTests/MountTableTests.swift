// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import SystemPackage
import Testing

@Suite struct MountTableTests {
    @Test func readsWhatTheKernelWrites() throws {
        let text = """
            22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
            36 22 0:30 /sub\\040dir/\\134x /mnt/a\\011b rw,noatime master:1 propagate_from:2 - fuse.sshfs host:/x\\012 rw
            not a line
            37 22 0:31 / /proc rw - proc proc rw
            """
        let entries = MountTable(parsing: Array(text.utf8)).entries
        try #require(entries.map(\.id) == [22, 36, 37])
        #expect(
            entries[1]
                == MountEntry(
                    id: 36, device: "0:30", root: #"/sub dir/\x"#, mountpoint: "/mnt/a\tb", type: "fuse.sshfs",
                    source: "host:/x\n", options: "rw"))
    }

    @Test func readsThisProcessesTable() throws {
        let table = try MountTable()
        #expect(table.entries.contains { $0.mountpoint == "/proc" && $0.type == "proc" })
    }
}
