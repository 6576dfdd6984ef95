// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

/// Two hosts with an engine and mobyfs each, and a GlusterFS volume with a brick on both, which is their data folder.
struct GlusterHosts: Sendable {
    static let isHere = EngineRequirements.packages(for: "glusterfs") != nil

    let one: EngineHost
    let other: EngineHost

    private var all: [EngineHost] { [one, other] }

    /// Boots the hosts, and destroys them after `body`.
    static func with(_ body: (GlusterHosts) async throws -> Void) async throws {
        let before = try await lockDevices()
        let hosts = GlusterHosts(one: try await .boot("a"), other: try await .boot("b"))
        do {
            try await hosts.prepare()
            try await body(hosts)
        } catch {
            for host in hosts.all { await host.keepJournal() }
            try await hosts.destroy(but: before)
            throw error
        }
        try await hosts.destroy(but: before)
    }

    /// A host of the test bed dies without its kernel, which goes on to have the devices by which it held its locks.
    private func destroy(but before: Set<String>) async throws {
        for host in all { try await host.destroy() }
        for device in try await Self.lockDevices().subtracting(before) {
            _ = try await runCommand("/bin/bash", ["-c", "losetup -d \(device)"]).get()
        }
    }

    /// The loop devices with a host's file in a pool that is not mounted here.
    private static func lockDevices() async throws -> Set<String> {
        let list = try await runCommand("/bin/bash", ["-c", "losetup -n -O NAME,BACK-FILE"]).get()
        return Set(
            list.lines.filter { $0.contains(" /hosts/") }.compactMap { $0.split(separator: " ").first.map(String.init) }
        )
    }

    private func prepare() async throws {
        for host in all {
            try await host.installPackages(for: "glusterfs")
            try await host.bash("systemctl enable -q --now glusterd; mkdir -p /srv/brick /var/lib/mobyfs")
        }
        for host in all { try await introduce(to: host) }
        try await eventually("the hosts are peers") {
            try await one.attempt(["gluster", "--mode=script", "peer", "probe", other.name]).succeeded
        }
        try await eventually("there is a volume") {
            try await one.attempt([
                "gluster", "--mode=script", "volume", "create", "pool", "replica", "2", "\(one.name):/srv/brick",
                "\(other.name):/srv/brick", "force",
            ]).succeeded
        }
        // A host that is gone without a word is missed after a minute and more, unless it is said otherwise.
        try await one.bash(
            """
            for option in 'network.ping-timeout 5' 'server.tcp-user-timeout 5' 'client.strict-locks on'; do
              gluster --mode=script volume set pool $option
            done
            gluster --mode=script volume start pool
            """)
        for host in all {
            try await mountPool(on: host)
            try await host.installPackage()
        }
    }

    /// What a host forgets when it is booted anew.
    func introduce(to host: EngineHost) async throws {
        for peer in all where peer.name != host.name {
            let address = try await peer.run("hostname", "-I").split(separator: " ").first
            try await host.bash("echo '\(try #require(address)) \(peer.name)' >> /etc/hosts")
        }
    }

    func mountPool(on host: EngineHost) async throws {
        try await eventually("the pool is mounted") {
            try await host.attempt(["mount", "-t", "glusterfs", "localhost:/pool", "/var/lib/mobyfs"]).succeeded
        }
    }
}
