// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineTests {
    /// The same volume calls whatever way the engine finds and reaches mobyfs.
    @Suite struct TransportTests {
        let host = EngineHost.shared

        /// Stops before it reloads: systemd takes away the sockets that the unit has now, not those that it had.
        private static let restartAll = """
            systemctl stop mobyfs.service mobyfs.socket
            systemctl daemon-reload
            systemctl start mobyfs.socket
            systemctl reset-failed docker.service
            systemctl restart docker.service
            """

        @Test func overTCPFoundByASpecFile() async throws {
            let settings = "/etc/mobyfs/mobyfs.env"
            let apply = """
                systemctl restart mobyfs.service
                systemctl reset-failed docker.service
                systemctl restart docker.service
                """
            try await host.withFile(settings, "MOBYFS_PORT=7337\n", apply: apply, undo: Self.restartAll) {
                #expect(try await host.read(EngineHost.specFile) == "tcp://127.0.0.1:7337")
                let listeners = try await host.run("ss", "-Htln", "sport = :7337")
                #expect(listeners.lines.count == 1)
                #expect(listeners.contains("127.0.0.1:7337"), "only on loopback")

                try await host.expectWholeLife(ofVolume: "over-tcp")
                let connections = try await host.run("ss", "-Htnp", "state", "established", "dport = :7337")
                #expect(connections.contains("dockerd"), "the engine did not take this way")
            }
            // Stopped and started without a port, it left no way behind that leads nowhere.
            #expect(try await host.read(EngineHost.specFile) == "unix://\(EngineHost.socket)")
        }

        @Test func overASocketAmongTheEnginesPlugins() async throws {
            let socket = "/run/docker/plugins/mobyfs.sock"
            let dropIn = "/etc/systemd/system/mobyfs.socket.d/plugins.conf"
            try await host.withFile(dropIn, "[Socket]\nListenStream=\(socket)\n", apply: Self.restartAll) {
                #expect(try await host.run("stat", "-c", "%F %a %U", socket) == "socket 600 root")
                try await host.expectWholeLife(ofVolume: "over-socket")
                let connections = try await host.run("ss", "-Hx", "src", socket)
                #expect(connections.contains("ESTAB"), "the engine did not take this way")
            }
            #expect(try await !host.exists(socket))
        }

        @Test func aSocketThatIsStoppedLeavesNothingThatTheEngineWouldWaitFor() async throws {
            #expect(try await host.run("stat", "-c", "%F %a %U", EngineHost.socket) == "socket 600 root")
            #expect(try await host.read(EngineHost.specFile) == "unix://\(EngineHost.socket)")
            try await host.run("systemctl", "stop", "mobyfs.socket", "mobyfs.service")
            do {
                #expect(try await !host.exists(EngineHost.socket))
                #expect(try await host.names(in: "/etc/docker/plugins").isEmpty)
                try await host.expectQuickVolumeList()
            } catch {
                try await host.run("systemctl", "start", "mobyfs.socket")
                throw error
            }
            try await host.run("systemctl", "start", "mobyfs.socket")
            #expect(try await host.read(EngineHost.specFile) == "unix://\(EngineHost.socket)")
            try await host.createVolume("at-once")  // the engine finds it with no restart
        }
    }
}

extension EngineHost {
    /// `docker volume ls` does not wait for a plugin that is gone.
    ///
    /// Asked of an engine that was restarted: one that has used the plugin keeps its address and waits 15 s whatever
    /// is on the disk.
    func expectQuickVolumeList() async throws {
        try await restartEngine()
        let clock = ContinuousClock()
        let start = clock.now
        try await docker("volume", "ls")
        #expect(clock.now - start < .seconds(5))
    }
}
