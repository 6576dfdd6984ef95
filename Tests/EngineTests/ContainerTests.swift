// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineTests {
    /// Containers on volumes, and what is left when they are gone.
    @Suite struct ContainerTests {
        let host = EngineHost.shared

        @Test func whatOneContainerWritesTheNextOneReads() async throws {
            try await host.inContainer("echo hello >/data/f", volumes: "shared:/data")
            #expect(try await host.inContainer("cat /data/f", volumes: "shared:/data") == "hello")
            #expect(try await host.read("\(host.inspectVolume("shared").mountpoint)/f") == "hello")
            try await host.waitUntilFree("shared")
            #expect(try await host.mounts().isEmpty)
            #expect(try await host.volumeNames() == ["shared"])
        }

        @Test func aVolumeIsHeldAsLongAsOneOfItsContainersRuns() async throws {
            try await host.start("first", volumes: "both:/data")
            try await host.start("second", volumes: "both:/data")
            try await host.expectHeld("both", mounts: 2)

            try await host.docker("stop", "first")
            try await eventually("one mount is left") { try await host.inspectVolume("both").status?.mounts == 1 }
            try await host.expectHeld("both")
            #expect(try await host.exec("second", "echo still >/data/f; cat /data/f") == "still")

            try await host.docker("start", "first")
            try await host.expectHeld("both", mounts: 2)
            #expect(try await host.exec("first", "cat /data/f") == "still")

            try await host.docker("rm", "-f", "first", "second")
            try await host.waitUntilFree("both")
        }

        @Test func anAnonymousVolumeGoesWithItsContainer() async throws {
            try await host.start("anonymous", volumes: "/data", "/more", options: ["--rm"])
            #expect(try await host.volumeNames().count == 2)
            #expect(try await host.heldVolumes().count == 2)
            #expect(try await host.exec("anonymous", "echo here >/data/f; cat /data/f") == "here")

            try await host.docker("stop", "anonymous")
            try await expectNothingLeft()
        }

        @Test func aNamedVolumeOutlivesItsContainer() async throws {
            try await host.start("brief", volumes: "named:/data", "/anonymous")
            try await host.exec("brief", "echo kept >/data/f")
            try await host.docker("rm", "-f", "-v", "brief")
            try await host.waitUntilFree("named")
            #expect(try await host.volumeNames() == ["named"])
            #expect(try await host.inContainer("cat /data/f", volumes: "named:/data") == "kept")
        }

        @Test func volumesFromSharesTheVolumesOfAnotherContainer() async throws {
            try await host.start("owner", volumes: "lent:/data", "/anonymous")
            try await host.start("guest", options: ["--volumes-from", "owner"])
            try await host.exec("owner", "echo one >/data/f; echo two >/anonymous/f")
            #expect(try await host.exec("guest", "cat /data/f /anonymous/f") == "one\ntwo")
            try await host.expectHeld("lent", mounts: 2)

            // The guest goes on when the owner is gone.
            try await host.docker("rm", "-f", "owner")
            try await eventually("one mount is left") { try await host.inspectVolume("lent").status?.mounts == 1 }
            #expect(try await host.exec("guest", "cat /data/f /anonymous/f") == "one\ntwo")

            try await host.docker("rm", "-f", "-v", "guest")
            try await host.waitUntilFree("lent")
            try await host.docker("volume", "rm", "lent")
            try await expectNothingLeft()
        }

        @Test func aContainerThatCannotStartHoldsNothing() async throws {
            let arguments = ["--rm", "--network", "none", "-v", "unused:/data", "--volume-driver", "mobyfs"]
            let output = try await host.attemptDocker(["run"] + arguments + ["bb:1", "/no/such/program"])
            #expect(output.exitCode == 127)
            try await host.waitUntilFree("unused")
        }

        private func expectNothingLeft() async throws {
            try await eventually("no volume, holder or mount is left") {
                let volumes = try await host.volumeNames()
                return try await (volumes + host.leftovers()).isEmpty
            }
        }
    }
}
