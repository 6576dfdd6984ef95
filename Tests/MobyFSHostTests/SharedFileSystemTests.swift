// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import SystemPackage
import Testing

@Suite struct SharedFileSystemTests {
    private func kind(_ type: String, _ options: String = "rw") -> SharedFileSystem {
        let table = """
            22 1 254:0 / / rw - ext4 /dev/vda rw
            40 22 0:44 / /pool rw shared:9 - \(type) server:/pool \(options)
            """
        return SharedFileSystem(of: "/pool/mobyfs", in: MountTable(parsing: Array(table.utf8)))
    }

    @Test(arguments: ["fuse.glusterfs", "ceph", "nfs4", "nfs", "cifs", "gfs2", "ocfs2"])
    func isSharedWhereLocksReachOtherHosts(type: String) {
        #expect(kind(type) == .shared(type: type))
    }

    @Test(arguments: [
        ("nfs", "rw,nolock", "nolock"), ("nfs4", "rw,vers=4.2,local_lock=all", "local_lock=none"),
        ("cifs", "rw,nobrl", "nobrl"), ("lustre", "rw", "flock"), ("fuse.sshfs", "rw", "GlusterFS"),
    ])
    func isNotWhereTheyStayOnTheHost(type: String, options: String, advice: String) {
        guard case .unlocked(type, let text) = kind(type, options) else {
            Issue.record("\(kind(type, options))")
            return
        }
        #expect(text.contains(advice))
    }

    @Test(arguments: ["ext4", "xfs", "tmpfs", "overlay", "fuse.gocryptfs"])
    func isLocalOnAllElse(type: String) {
        #expect(kind(type) == .local(type: type))
    }

    @Test func goesByTheMountThatThePathIsOn() {
        let table = MountTable(parsing: Array("22 1 254:0 / / rw - ext4 /dev/vda rw".utf8))
        #expect(SharedFileSystem(of: "/not/there/yet", in: table) == .local(type: "ext4"))
    }
}
