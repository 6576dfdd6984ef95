// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// The kernel's own server, on this host.
private enum NFSServer {
    static var isPossible: Bool {
        Machine.isRoot && Mounts.knows(type: "nfs4") && Mounts.knows(type: "nfsd")
            && MountServers.has("rpc.nfsd", "rpc.mountd", "exportfs", "mount.nfs")
    }

    static func with(_ body: (_ root: FilePath) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            let stop = """
                umount -a -t nfs,nfs4 || true
                rpc.nfsd 0
                exportfs -ua
                pkill -x rpc.mountd || true
                umount \(root)/export
                """
            do {
                // A memory file system, for what a container's root or an emulated machine has cannot be exported.
                try await MountServers.shell(
                    """
                    mkdir -p \(root)/export /var/lib/nfs/rpc_pipefs /run/rpcbind
                    mount -t tmpfs none \(root)/export
                    mkdir \(root)/export/share
                    mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd
                    : > /var/lib/nfs/etab
                    rpc.mountd --no-nfs-version 2 --no-nfs-version 3
                    exportfs -i -o rw,no_root_squash,insecure,fsid=0,no_subtree_check 127.0.0.1:\(root)/export
                    echo 1 > /proc/fs/nfsd/nfsv4gracetime 2>/dev/null || true
                    rpc.nfsd --no-nfs-version 3 --no-udp --host 127.0.0.1 2
                    echo Y > /proc/fs/nfsd/v4_end_grace 2>/dev/null || true
                    """)
                try await body(root.appending("export/share"))
            } catch {
                _ = try? await MountServers.shell(stop)
                throw error
            }
            _ = try await MountServers.shell(stop)
        }
    }
}

@Suite(
    .enabled(if: NFSServer.isPossible, "needs root, a kernel with nfs and nfsd, nfs-common and nfs-kernel-server"),
    .serialized)
struct NFSMountTests {
    /// With the helper, and as the engine's own driver does it, which has `addr=` and asks no helper.
    @Test(arguments: [
        ["device": "localhost:/share", "o": "vers=4.2,soft,timeo=100"],
        ["device": ":/share", "o": "addr=localhost,vers=4,soft,rw"],
        ["device": "127.0.0.1:/share/", "o": "addr=127.0.0.1,nfsvers=4.1,nolock"],
        ["share": "127.0.0.1/share", "nfsopts": "vers=4,soft"],
    ])
    func mountsAFolderOfAServer(given: [String: String]) async throws {
        try await NFSServer.with { share in
            try share.appending("file").write("from afar")
            try await withMountDriver { fixture in
                var options = given
                if options["share"] == nil { options["type"] = "nfs" }
                for _ in 0..<2 {
                    let path = try await fixture.mount(options.merging(["uid": "1234", "mode": "0750"]) { $1 })
                    #expect(try path.appending("file").text == "from afar")
                    #expect(path.attributes == (0o750, 1234, 0))
                }
                #expect(try fixture.entry?.type == "nfs4")
                try await fixture.unmount(options)
                #expect(!fixture.mounts.exists)
            }
        }
    }

    @Test func saysWhatTheServerDoesNotHave() async throws {
        try await NFSServer.with { _ in
            try await withMountDriver { fixture in
                let text = try await fixture.refusal(
                    ["type": "nfs", "device": "127.0.0.1:/nonexistent", "o": "vers=4.2,retry=0"])
                #expect(text.contains("No such file or directory (ENOENT)"), "\(text)")
                #expect(text.contains("source '127.0.0.1:/nonexistent'"), "\(text)")
            }
        }
    }

    @Test func givesUpOnAServerThatIsAway() async throws {
        try await withMountDriver { fixture in
            // Addresses for documentation are nobody's.
            let text = try await fixture.refusal(
                ["type": "nfs", "device": "192.0.2.77:/x", "o": "vers=4.2"], within: .seconds(4))
            #expect(text.contains("killed") || text.contains("unreachable") || text.contains("refused"), "\(text)")
            let name = try await fixture.refusal(
                ["type": "nfs", "device": ":/x", "o": "addr=host.invalid,vers=4"], within: .seconds(20))
            #expect(name.contains("the address of addr='host.invalid' is unknown"), "\(name)")
        }
    }

    @Test func unmountsWhenTheServerIsGone() async throws {
        try await withMountDriver { fixture in
            let options = ["type": "nfs", "device": "127.0.0.1:/share", "o": "vers=4.2,hard"]
            try await NFSServer.with { _ in
                let path = try await fixture.mount(options)
                try path.appending("file").write("x")
                try await MountServers.shell("rpc.nfsd 0")
                let start = ContinuousClock.now
                // Mounted is mounted.
                try await fixture.mount(options)
                try await fixture.unmount(options, within: .seconds(5))
                #expect(.now - start < .seconds(20))
                #expect(!fixture.mounts.exists)
            }
        }
    }
}
