// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineTests {
    /// The host itself goes down and comes back.
    @Suite struct RebootTests {
        let host = EngineHost.shared

        @Test func afterARebootMobyfsListensFirstAndTheContainerIsBackWithItsData() async throws {
            let script = "echo started >>/data/log; exec sleep 1000000"
            try await host.start("back", script, volumes: "back:/data", options: ["--restart", "always"])
            try await host.createVolume("labelled", options: ["mode=0710"], labels: ["tier=gold"])

            try await host.reboot()
            let socket = try await host.startTimes(of: "mobyfs.socket")
            let service = try await host.startTimes(of: "mobyfs.service")
            let engine = try await host.startTimes(of: "docker.service")
            print(
                """
                boot: mobyfs.socket took \((socket.done - socket.began) / 1000) ms, mobyfs.service \
                \((service.done - service.began) / 1000) ms, docker.service \((engine.done - engine.began) / 1000) ms
                """)
            #expect(socket.done > 0)
            #expect(socket.done < engine.began, "the socket listens before the engine starts")
            // A volume that nobody answers for costs the engine 15 s.
            #expect(engine.done - engine.began < 10_000_000, "the engine was delayed")
            #expect(service.done - service.began < 5_000_000)

            try await host.waitUntilStartedAgain("back")
            try await host.expectHeld("back")
            let labelled = try await host.inspectVolume("labelled")
            #expect(labelled.labels == ["tier": "gold"])
            #expect(labelled.options == ["mode": "0710"])
            #expect(labelled.status?.mounts == 0)
            #expect(try await host.heldVolumes() == ["back"])

            try await host.docker("rm", "-f", "back")
            try await host.waitUntilFree("back")
        }

        @Test func whatTheEngineWasToldBeforeAPowerCutIsTrueAfterIt() async throws {
            try await host.createVolume("removed")
            try await host.start("cut", volumes: "held:/data")
            try await host.run("sync")  // what is at stake is only what comes now
            try await host.docker("volume", "rm", "removed")
            try await host.createVolume("created", options: ["mode=0710", "uid=1500"])

            try await host.cutPower()
            #expect(try await host.volumeNames().sorted() == ["created", "held"])
            let created = try await host.inspectVolume("created")
            #expect(created.status?.driver == "directory")
            #expect(try await host.run("stat", "-c", "%u %a", created.mountpoint) == "1500 710")
            #expect(try await host.inContainer("echo new >/data/f; cat /data/f", volumes: "created:/data") == "new")
            // The container did not come back, so nothing is held.
            try await host.waitUntilFree("held")
            try await host.waitUntilFree("created")
        }

        /// Without the engine, whose own writes to the disk may take those of others along.
        @Test(arguments: ["Create", "Remove"])
        func aCallThatWasAnsweredBeforeAPowerCutIsOnTheDisk(lastCall: String) async throws {
            try await host.createVolume("other")
            if lastCall == "Remove" { try await host.createVolume("subject") }
            try await host.run("sync")
            let reply = try await host.call(lastCall, "subject")

            try await host.cutPower()
            #expect(!reply.contains("Err"))
            let expected = lastCall == "Create" ? ["other", "subject"] : ["other"]
            #expect(try await host.volumeNames().sorted() == expected)
        }

        /// systemd stops the engine first, so that its containers give their volumes back to somebody.
        @Test func atShutdownMobyfsOutlivesTheEngine() async throws {
            for unit in ["mobyfs.socket", "mobyfs.service"] {
                let before = try await host.run("systemctl", "show", "--value", "-p", "Before", unit)
                #expect(before.split(separator: " ").contains("docker.service"), "\(unit) is not before docker.service")
            }
        }
    }
}
