// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// Servers of the real kind, each with files and ports of its own.
enum MountServers {
    static func has(_ programs: String...) -> Bool {
        programs.allSatisfy { HelperProgram($0, package: $0).locate() != nil }
    }

    /// Runs a script that sets something up or takes it down.
    @discardableResult
    static func shell(_ script: String, within limit: Duration = .seconds(60)) async throws -> String {
        try await HelperProgram("sh", package: "dash").run(["-euc", script], until: .now + limit)
    }

    /// A port of this host that nobody has.
    static func freePort() throws -> UInt16 {
        let descriptor = try check(socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0), "socket")
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try check(bind(descriptor, $0, size), "bind")
                try check(getsockname(descriptor, $0, &size), "getsockname")
            }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    /// Waits until a server listens on a port of this host.
    static func waitForPort(_ port: UInt16) throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while (try? Wire(port: port)) == nil {
            guard .now < deadline else { throw SystemCallError("connect to port \(port)", .timedOut) }
            sched_yield()
        }
    }
}

/// An ssh server with one key and one password for root.
struct SSHServer: Sendable {
    static let password = "hun,ter 2%\\\"'$(id)"

    let root: FilePath
    let port: UInt16

    var key: FilePath { root.appending("key") }
    /// Mount options with which it is known and known to.
    var trust: String { "port=\(port),UserKnownHostsFile=\(root)/known,StrictHostKeyChecking=yes" }

    /// Runs `body` with a server; its folder `share` is what to mount.
    static func with(_ body: (SSHServer) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            let server = SSHServer(root: root, port: try MountServers.freePort())
            try Directories.create(root.appending("share"), mode: 0o755)
            try root.appending("sshd_config").write(
                """
                ListenAddress 127.0.0.1
                Port \(server.port)
                HostKey \(root)/host
                PidFile \(root)/pid
                AuthorizedKeysFile \(root)/key.pub
                StrictModes no
                UsePAM no
                PermitRootLogin yes
                MaxStartups 100
                KbdInteractiveAuthentication no
                Subsystem sftp internal-sftp

                """)
            try root.appending("password").write(password)
            // The account has its password in the server's mount namespace alone.
            try await MountServers.shell(
                """
                cd \(root)
                ssh-keygen -q -t ed25519 -N '' -f host
                ssh-keygen -q -t ed25519 -N '' -f key
                for host in 127.0.0.1 localhost; do echo "[$host]:\(server.port) $(cat host.pub)"; done > known
                hash=$(openssl passwd -6 -stdin < password)
                { echo "root:$hash:19000:0:99999:7:::"; grep -v '^root:' /etc/shadow; } > shadow
                unshare -m --propagation private sh -euc '
                    # What other tests have mounted is not kept busy here.
                    findmnt -rno TARGET | grep /mobyfs-test- | xargs -r umount -l || true
                    mount --bind shadow /etc/shadow
                    mount -t tmpfs none /run
                    mkdir /run/sshd
                    exec $(command -v sshd) -f \(root)/sshd_config -E \(root)/log'
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

    func stop() async throws {
        // Its sessions have its configuration in their name, or are its children.
        try await MountServers.shell("pid=$(cat \(root)/pid); pkill -P $pid || true; kill $pid")
    }
}

/// Two bricks and their daemon in a network namespace.
struct GlusterServer: Sendable {
    let root: FilePath
    let address: String

    static var isHere: Bool { MountServers.has("glusterd", "gluster", "mount.glusterfs", "ip") }

    static func with(_ body: (GlusterServer) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            // One that no other server has, nor one whose run was killed.
            let number = try await MountServers.shell(
                """
                for number in $(shuf -i 1-254); do
                    ip netns add mobyfs-g$number && echo -n $number && exit
                done
                exit 1
                """)
            let space = "mobyfs-g\(number)"
            let server = GlusterServer(root: root, address: "10.213.\(number).2")
            try root.appending("glusterd.vol").write(
                """
                volume management
                    type mgmt/glusterd
                    option working-directory \(root)/work
                    option run-directory \(root)/run
                    option glusterd-sockfile \(root)/socket
                    option transport-type socket
                    option transport.socket.listen-port 24007
                end-volume

                """)
            let stop = """
                ip netns pids \(space) | xargs -r kill -9
                ip netns del \(space)
                """
            do {
                try await MountServers.shell(
                    """
                    cd \(root)
                    mkdir work run brick1 brick2
                    ip link add mg\(number) type veth peer name eth0 netns \(space)
                    ip addr add 10.213.\(number).1/30 dev mg\(number)
                    ip link set mg\(number) up
                    ip -n \(space) addr add \(server.address)/30 dev eth0
                    ip -n \(space) link set eth0 up
                    ip -n \(space) link set lo up
                    ip netns exec \(space) glusterd -f \(root)/glusterd.vol -p \(root)/pid -l \(root)/log
                    gluster="ip netns exec \(space) gluster --mode=script --glusterd-sock=\(root)/socket"
                    $gluster volume create vol replica 2 \(server.address):\(root)/brick1 \(server.address):\(root)/brick2 force
                    $gluster volume start vol
                    """)
                try await body(server)
            } catch {
                try await MountServers.shell(stop)
                throw error
            }
            try await MountServers.shell(stop)
        }
    }
}
