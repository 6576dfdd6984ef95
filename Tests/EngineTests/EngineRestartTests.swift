// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineTests {
    /// The engine goes away, politely or not, and comes back: nothing is forgotten and nothing stays held for ever.
    @Suite struct EngineRestartTests {
        enum End: String, CaseIterable, CustomTestStringConvertible {
            case restart, kill
            var testDescription: String { rawValue }
        }

        let host = EngineHost.shared

        @Test(arguments: End.allCases)
        func volumesLabelsAndOptionsAreRemembered(end: End) async throws {
            try await host.createVolume("plain")
            let labels = ["tier=gold", "owner=me"]
            try await host.createVolume("labelled", options: ["mode=0710", "uid=1500"], labels: labels)
            try await host.inContainer("echo kept >/data/f", volumes: "plain:/data")
            let before = try await host.inspectVolume("labelled")

            try await goThrough(end)
            #expect(try await host.volumeNames().sorted() == ["labelled", "plain"])
            let after = try await host.inspectVolume("labelled")
            #expect(after.labels == ["tier": "gold", "owner": "me"])
            #expect(after.options == ["mode": "0710", "uid": "1500"])
            #expect(after.createdAt == before.createdAt)
            #expect(after.mountpoint == before.mountpoint)
            #expect(try await host.inContainer("cat /data/f", volumes: "plain:/data") == "kept")
            try await host.waitUntilFree("plain")
        }

        /// A killed engine sends no Unmount for the containers it takes down when it is back, and mounts again with
        /// the same ID.
        @Test(arguments: End.allCases)
        func aContainerThatIsStartedAgainHoldsItsVolumeOnce(end: End) async throws {
            let script = "echo started >>/data/log; exec sleep 1000000"
            try await host.start("again", script, volumes: "again:/data", options: ["--restart", "always"])

            try await goThrough(end)
            try await host.waitUntilStartedAgain("again")
            try await host.expectHeld("again")
            try await host.docker("stop", "again")
            try await host.waitUntilFree("again")
            try await host.docker("rm", "again")
            try await host.docker("volume", "rm", "again")
        }

        @Test(arguments: End.allCases)
        func aContainerThatDiedWithTheEngineHoldsNothing(end: End) async throws {
            try await host.start("dead", volumes: "orphan:/data")
            try await host.expectHeld("orphan")

            try await goThrough(end)
            try await eventually("the engine knows that the container is dead") { try await !host.isRunning("dead") }
            try await host.waitUntilFree("orphan")
            try await host.docker("rm", "dead")
            try await host.docker("volume", "rm", "orphan")
            #expect(try await !host.storedVolumes().contains("orphan"))
        }

        @Test(arguments: End.allCases)
        func underLiveRestoreAContainerGoesOnWithItsVolume(end: End) async throws {
            try await withLiveRestore {
                let script = "while :; do echo tick >>/data/log; sleep 0.1; done"
                try await host.start("alive", script, volumes: "alive:/data")
                try await host.createVolume("labelled", options: ["mode=0710"], labels: ["tier=gold"])
                let pid = try await host.processID(of: "alive")
                let mount = try await host.mount(at: "/data", in: "alive")

                try await goThrough(end)
                #expect(try await host.processID(of: "alive") == pid)
                #expect(try await host.mount(at: "/data", in: "alive") == mount)
                #expect(try await host.inspectVolume("labelled").labels == ["tier": "gold"])
                let log = "\(try await host.inspectVolume("alive").mountpoint)/log"
                let ticks = try await host.read(log).lines.count
                try await eventually("the container writes on") { try await host.read(log).lines.count > ticks }
                // Its holder was taken by an engine that is gone, and must count all the same.
                try await host.expectHeld("alive")

                try await host.docker("rm", "-f", "alive")
                try await host.waitUntilFree("alive")
                try await host.docker("volume", "rm", "alive", "labelled")
            }
        }

        /// The first Mount after the engine's return need not be the container's own.
        ///
        /// The new engine copies with the mount ID that the container has from the old one: this Mount is one more,
        /// while after a crash the same Mount is the old one over again.
        @Test func underLiveRestoreCopyingFromAContainerDoesNotDropItsVolume() async throws {
            try await withLiveRestore {
                try await host.start("source", volumes: "source:/data")
                try await host.exec("source", "echo out >/data/out")
                try await host.restartEngine()

                try await host.docker("cp", "source:/data/out", "/root/out")
                try await host.expectHeld("source")
                try await host.docker("rm", "-f", "source")
                try await host.waitUntilFree("source")
            }
        }

        private func withLiveRestore(_ body: () async throws -> Void) async throws {
            let restart = "systemctl reset-failed docker.service; systemctl restart docker.service"
            try await host.withFile("/etc/docker/daemon.json", #"{"live-restore": true}"#, apply: restart, body)
        }

        private func goThrough(_ end: End) async throws {
            switch end {
            case .restart: try await host.restartEngine()
            case .kill: try await host.killEngine()
            }
        }
    }
}
