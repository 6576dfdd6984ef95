// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineTests {
    /// One pool for two hosts: engines, systemd and GlusterFS on both.
    @Suite(
        .enabled(
            if: GlusterHosts.isHere,
            "no .build/packages/\(EngineRequirements.suite)/glusterfs (make test fetches it)"))
    struct TwoHostsTests {
        @Test func shareTheirVolumesAndOneDiesInTheMiddle() async throws {
            try await GlusterHosts.with { hosts in
                try await shareVolumes(hosts.one, hosts.other)
                try await takeTurns(hosts.one, hosts.other)
                try await surviveADeath(hosts)
            }
        }

        private func shareVolumes(_ one: EngineHost, _ other: EngineHost) async throws {
            for number in 0..<5 {
                try await one.createVolume("data\(number)")
                #expect(try await other.volumeNames().contains("data\(number)"))
            }
            #expect(try await other.docker("volume", "inspect", "-f", "{{.Scope}}", "data0") == "global")
            try await one.inContainer("echo hello > /data/file", volumes: "data0:/data")
            #expect(try await other.inContainer("cat /data/file", volumes: "data0:/data") == "hello")

            try await one.start("user", volumes: "data0:/data")
            let refusal = try await other.attemptDocker(["volume", "rm", "data0"])
            #expect(!refusal.succeeded && refusal.standardError.contains("in use on host '\(one.name)'"))
            try await one.docker("rm", "-f", "user")
            try await other.docker("volume", "rm", "data0")
            #expect(try await !one.volumeNames().contains("data0"))
        }

        private func takeTurns(_ one: EngineHost, _ other: EngineHost) async throws {
            try await one.createVolume("db", options: ["fs=ext4", "size=64M"])
            try await other.start("writer", "echo first > /data/log; exec sleep 1000000", volumes: "db:/data")
            try await other.waitUntilItReads("first", in: "writer")
            let refusal = try await one.attemptDocker(["run", "--rm", "-v", "db:/data", "bb:1", "true"])
            #expect(!refusal.succeeded && refusal.standardError.contains("mounted on host '\(other.name)'"))
            let snapshot = try await one.attempt(["mobyfs", "volume", "snapshot", "db"])
            #expect(!snapshot.succeeded && snapshot.standardError.contains(other.name))
            // Without its daemon, a host goes on to have what its containers use.
            try await other.bash("systemctl stop mobyfs.service")
            let still = try await one.attemptDocker(["run", "--rm", "-v", "db:/data", "bb:1", "true"])
            #expect(!still.succeeded && still.standardError.contains("mounted on host '\(other.name)'"))
            try await other.bash("systemctl start mobyfs.service")
            try await other.docker("rm", "-f", "writer")

            #expect(try await one.inContainer("cat /data/log", volumes: "db:/data") == "first")
            #expect(try await one.run("mobyfs", "volume", "snapshot", "db", "kept") == "db@kept")
            try await one.inContainer("rm /data/log", volumes: "db:/data")
            try await other.run("mobyfs", "volume", "restore", "--force", "db", "kept")
            #expect(try await other.inContainer("cat /data/log", volumes: "db:/data") == "first")
        }

        private func surviveADeath(_ hosts: GlusterHosts) async throws {
            let (one, other) = (hosts.one, hosts.other)
            try await other.start(
                "writer", "echo second >> /data/log; sync; exec sleep 1000000", volumes: "db:/data", "data1:/more")
            try await other.waitUntilItReads("first\nsecond", in: "writer")
            try await other.cutPower()
            // With the host die its locks.
            try await eventually(within: .seconds(120), "the volume of the dead is free") {
                try await one.attemptDocker(["run", "--rm", "-v", "db:/data", "bb:1", "true"]).succeeded
            }
            #expect(try await one.inContainer("cat /data/log", volumes: "db:/data") == "first\nsecond")
            try await one.docker("volume", "rm", "data1")

            try await hosts.introduce(to: other)
            try await hosts.mountPool(on: other)
            try await other.bash("systemctl restart mobyfs.service")
            try await eventually("the engine asks again") { try await other.volumeNames().contains("db") }
            #expect(try await !other.volumeNames().contains("data1"))
            try await other.docker("rm", "-f", "writer")
            #expect(try await other.inContainer("cat /data/log", volumes: "db:/data") == "first\nsecond")
        }
    }
}

extension EngineHost {
    fileprivate func waitUntilItReads(_ text: String, in container: String) async throws {
        try await eventually("'\(container)' has written") {
            try await attemptDocker(["exec", container, "cat", "/data/log"]).standardOutput.withoutFinalNewlines == text
        }
    }
}
