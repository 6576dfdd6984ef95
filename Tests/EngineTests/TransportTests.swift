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

        @Test func overMutualTLSFoundByAJSONFile() async throws {
            let (address, folder) = ("tcp://0.0.0.0:8443", "/etc/mobyfs/tls")
            try await host.run("mobyfs", "tls", "create", "--host", "host.example", "--dir", folder)
            let settings = """
                MOBYFS_LISTEN=\(address)
                MOBYFS_TLS_CERT=\(folder)/server-cert.pem
                MOBYFS_TLS_KEY=\(folder)/server-key.pem
                MOBYFS_TLS_CA=\(folder)/ca.pem
                MOBYFS_TLS_CLIENT_CERT=\(folder)/client-cert.pem
                MOBYFS_TLS_CLIENT_KEY=\(folder)/client-key.pem
                """
            let apply = """
                systemctl restart mobyfs.service
                systemctl reset-failed docker.service
                systemctl restart docker.service
                """
            try await host.withFile("/etc/mobyfs/mobyfs.env", settings, apply: apply, undo: Self.restartAll) {
                #expect(try await !host.exists(EngineHost.specFile), "engines would take it first")
                let spec = try await host.read("/etc/docker/plugins/mobyfs.json")
                #expect(spec.contains("https://127.0.0.1:8443"))

                try await host.expectWholeLife(ofVolume: "over-tls")
                #expect(try await host.engineConnections(toPort: 8443) > 0, "the engine did not take this way")

                // A new certificate under way: what is open stays open, and what is new is served as well.
                let before = try await host.engineConnections(toPort: 8443)
                try await host.run("mobyfs", "tls", "create", "--renew", "--host", "host.example", "--dir", folder)
                try await host.run("systemctl", "reload", "mobyfs.service")
                #expect(try await host.engineConnections(toPort: 8443) == before)
                try await host.expectWholeLife(ofVolume: "over-tls-renewed")

                try await host.expectTurnedAway(withoutCertificate: folder)
                try await host.run("systemctl", "restart", "mobyfs.service")
                try await host.expectWholeLife(ofVolume: "over-tls-again")
            }
            try await host.run("rm", "-r", folder)
            #expect(try await !host.exists("/etc/docker/plugins/mobyfs.json"))
            #expect(try await host.read(EngineHost.specFile) == "unix://\(EngineHost.socket)")
        }

        @Test func byAFurtherNameWithItsOwnDefaults() async throws {
            let settings = "MOBYFS_NAMES=local-persist: on-remove=trash mode=0711\n"
            let restart = "systemctl restart mobyfs.service"
            let trash = "/var/lib/mobyfs/trash"
            try await host.withFile("/etc/mobyfs/mobyfs.env", settings, apply: restart) {
                try await host.docker("volume", "create", "-d", "local-persist", "named")
                let volume = try await host.inspectVolume("named")
                #expect(volume.driver == "local-persist")
                #expect(try await host.run("stat", "-c", "%a", volume.mountpoint) == "711")
                let listed = try await host.docker("volume", "ls", "--format", "{{.Driver}} {{.Name}}")
                #expect(listed.lines.filter { $0.hasSuffix(" named") } == ["local-persist named"])
                try await host.run("systemctl", "restart", "mobyfs.service")
                try await host.docker("volume", "rm", "named")
                #expect(try await host.names(in: trash).contains { $0.hasPrefix("named.") })
            }
            #expect(try await !host.exists("/etc/docker/plugins/local-persist.spec"))
            try await host.bash("rm -r \(trash)/*; systemctl reset-failed docker; systemctl restart docker")
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
    /// How many connections the engine has open to a port of this host.
    func engineConnections(toPort port: Int) async throws -> Int {
        let connections = try await run("ss", "-Htnp", "state", "established", "dport = :\(port)")
        return connections.lines.filter { $0.contains("dockerd") }.count
    }

    /// A client is served over TLS with the certificate for engines, and not without one.
    func expectTurnedAway(withoutCertificate folder: String) async throws {
        let curl = [
            "curl", "-sS", "--max-time", "10", "--cacert", "\(folder)/ca.pem", "-d", "{}",
            "https://localhost:8443/VolumeDriver.List",
        ]
        let identified = ["--cert", "\(folder)/client-cert.pem", "--key", "\(folder)/client-key.pem"]
        #expect(try await attempt(curl + identified).get().contains("Volumes"))
        #expect(try await !attempt(curl).succeeded)
        let log = try await run("journalctl", "-u", "mobyfs", "--no-pager", "-n", "20")
        #expect(log.contains("shows no certificate"))
    }

    /// `docker volume ls` does not wait for a plugin that is gone.
    ///
    /// Asked of an engine that was restarted: one that has used the plugin keeps its address and waits 15 s whatever
    /// is on the disk.
    func expectQuickVolumeList() async throws {
        try await restartEngine()
        let clock = ContinuousClock()
        let start = clock.now
        try await docker("volume", "ls")
        #expect(clock.now - start < .seconds(12))
    }
}
