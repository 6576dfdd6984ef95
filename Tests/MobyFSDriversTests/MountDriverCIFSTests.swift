// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// A Samba server with a port, a password and files of its own.
private struct SMBServer: Sendable {
    /// As many traps as mount.cifs can be asked for.
    static let password = "hun,ter 2%\\\"'$(id)="

    let root: FilePath
    let port: UInt16

    static var isPossible: Bool {
        Machine.isRoot && Mounts.knows(type: "cifs") && MountServers.has("smbd", "smbpasswd", "mount.cifs")
    }

    static func with(_ body: (SMBServer) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            let server = SMBServer(root: root, port: try MountServers.freePort())
            try root.appending("smb.conf").write(
                """
                [global]
                smb ports = \(server.port)
                interfaces = 127.0.0.1
                bind interfaces only = yes
                private dir = \(root)/work
                lock directory = \(root)/work
                state directory = \(root)/work
                cache directory = \(root)/work
                pid directory = \(root)/work
                ncalrpc dir = \(root)/work/ncalrpc
                passdb backend = tdbsam:\(root)/work/passdb.tdb
                log file = \(root)/work/log
                disable spoolss = yes
                load printers = no
                server min protocol = SMB2_10
                [share]
                path = \(root)/share
                read only = no
                force user = root

                """)
            try root.appending("password").write("\(password)\n\(password)\n")
            try await MountServers.shell(
                """
                cd \(root)
                mkdir work share work/ncalrpc
                smbpasswd -c smb.conf -s -a root < password
                smbd -D -s smb.conf
                """)
            try MountServers.waitForPort(server.port)
            do {
                try await body(server)
            } catch {
                try await server.stop()
                throw error
            }
            try await server.stop()
        }
    }

    private func stop() async throws {
        try await MountServers.shell("pid=$(cat \(root)/work/smbd.pid); kill -- -$pid 2>/dev/null || kill $pid")
    }
}

@Suite(.enabled(if: SMBServer.isPossible, "needs root, a kernel with cifs, cifs-utils and samba"), .serialized)
struct CIFSMountTests {
    @Test func mountsAShareWithAPasswordThatNobodySees() async throws {
        try await SMBServer.with { server in
            try server.root.appending("share/file").write("from afar")
            try await withMountDriver { fixture in
                let options = [
                    "type": "cifs", "device": "//localhost/share", "password": SMBServer.password,
                    "o": "username=root,port=\(server.port),vers=3.1.1,addr=127.0.0.1", "uid": "1234", "mode": "0750",
                ]
                for _ in 0..<2 {
                    let path = try await fixture.mount(options)
                    #expect(try path.appending("file").text == "from afar")
                    #expect(path.attributes == (0o750, 1234, 0))
                }
                #expect(try fixture.entry?.type == "cifs")
                let seen = try await MountServers.shell(
                    "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ /proc/mounts 2>/dev/null || true")
                #expect(!seen.contains("hun,ter"))
                try await fixture.unmount(options)
                #expect(!fixture.mounts.exists)
            }
        }
    }

    @Test func mountsAsNetshareDoes() async throws {
        try await SMBServer.with { server in
            try await withMountDriver { fixture in
                let options = [
                    "share": "127.0.0.1/share", "username": "root", "password": SMBServer.password, "fileMode": "0640",
                    "dirMode": "0750", "cifsopts": "vers=3.0,port=\(server.port),noperm", "create": "true",
                ]
                let path = try await fixture.mount(options)
                #expect(path.attributes.mode == 0o750)
                try path.appending("file").write("x")
                #expect(try server.root.appending("share/db/file").text == "x")
                try await fixture.unmount(options)
            }
        }
    }

    @Test func takesCredentialsFromAFile() async throws {
        try await SMBServer.with { server in
            try await withMountDriver { fixture in
                let file = fixture.root.appending("credentials/nas")
                try file.write("username=root\npassword=\(SMBServer.password)\ndomain=WORKGROUP\n")
                for credentials in [file.string, "nas"] {
                    let options = [
                        "type": "cifs", "device": "//127.0.0.1/share", "credentials": credentials,
                        "o": "port=\(server.port),vers=3.0",
                    ]
                    try await fixture.mount(options)
                    try await fixture.unmount(options)
                }
            }
        }
    }

    @Test func saysWhyTheServerDoesNotLetItIn() async throws {
        try await SMBServer.with { server in
            try await withMountDriver { fixture in
                let options = [
                    "type": "cifs", "device": "//127.0.0.1/share", "password": "wrong horse",
                    "o": "username=root,port=\(server.port),vers=3.0",
                ]
                let text = try await fixture.refusal(options)
                #expect(text.contains("Permission denied (EACCES)"), "\(text)")
                #expect(!text.contains("wrong horse") && !text.contains("Refer to"))
                let share = try await fixture.refusal(
                    options.merging(["device": "//127.0.0.1/nope", "password": SMBServer.password]) { $1 })
                #expect(share.contains("No such file or directory (ENOENT)"), "\(share)")
            }
        }
    }
}
