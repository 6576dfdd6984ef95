// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineTests {
    /// The service is down and the socket listens: the next call starts it and is answered.
    @Suite struct ActivationTests {
        let host = EngineHost.shared

        @Test func aCallStartsTheStoppedService() async throws {
            try await stopService()
            try await host.createVolume("waking")
            #expect(try await host.isActive("mobyfs.service"))

            try await stopService()
            #expect(try await host.inspectVolume("waking").status?.driver == "directory")
            try await stopService()
            #expect(try await host.volumeNames() == ["waking"])
            try await stopService()
            #expect(try await host.inContainer("echo up >/data/f; cat /data/f", volumes: "waking:/data") == "up")
            try await stopService()
            try await host.docker("volume", "rm", "waking")
            #expect(try await host.isActive("mobyfs.service"))
        }

        @Test func callsThatArriveTogetherAtAStoppedServiceAreAllAnswered() async throws {
            try await stopService()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 1...8 {
                    group.addTask { try await host.createVolume("together-\(number)") }
                }
                try await group.waitForAll()
            }
            #expect(try await host.volumeNames().count == 8)
        }

        @Test func mountsOutliveTheService() async throws {
            try await host.start("running", volumes: "running:/data")
            try await stopService()
            #expect(try await host.heldVolumes() == ["running"])
            #expect(try await host.exec("running", "echo on >/data/f; cat /data/f") == "on")

            // Woken by this, it knows who holds what.
            try await host.expectHeld("running")
            try await stopService()
            try await host.docker("rm", "-f", "running")
            try await host.waitUntilFree("running")
        }

        @Test func aKilledServiceIsBackForTheNextCall() async throws {
            try await host.start("running", volumes: "running:/data")
            for number in 1...3 {
                let old = try await host.property("MainPID", of: "mobyfs.service")
                try await host.run("systemctl", "kill", "-s", "KILL", "mobyfs.service")
                try await eventually("the killed process is gone") {
                    try await host.property("MainPID", of: "mobyfs.service") != old
                }
                try await host.createVolume("after-\(number)")
            }
            #expect(try await host.volumeNames().count == 4)
            try await host.expectHeld("running")
        }

        private func stopService() async throws {
            try await host.run("systemctl", "stop", "mobyfs.service")
            #expect(try await !host.isActive("mobyfs.service"))
            #expect(try await host.isActive("mobyfs.socket"))
        }
    }
}
