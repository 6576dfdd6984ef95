// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineTests {
    /// Compose files that name a managed plugin work unchanged where mobyfs goes by its name.
    @Suite struct NamesWithSlashTests {
        let host = EngineHost.shared

        private static let restart = """
            systemctl reset-failed mobyfs.service docker.service
            systemctl restart mobyfs.service
            systemctl restart docker.service
            """

        @Test(arguments: ["vieux/sshfs:latest", "vieux/sshfs"])
        func theEngineFindsADriverOfAManagedPluginsName(name: String) async throws {
            let folder = "/etc/docker/plugins/vieux"
            let settings = "MOBYFS_NAMES=vieux/sshfs:latest: mode=0711; vieux/sshfs: mode=0711\n"
            try await host.withFile("/etc/mobyfs/mobyfs.env", settings, apply: Self.restart) {
                let flat = name.replacing("/", with: "+").replacing(":", with: "@")
                let spec = try await host.read("\(folder)/\(name.dropFirst("vieux/".count)).spec")
                #expect(spec == "unix:///run/mobyfs/\(flat).sock")

                try await host.docker("volume", "create", "-d", name, "remote")
                let made = try await host.inspectVolume("remote")
                #expect(made.driver == name)
                #expect(try await host.run("stat", "-c", "%a", made.mountpoint) == "711")
                try await write("kept", by: name)
                #expect(try await host.docker("volume", "ls", "-q", "-f", "driver=\(name)") == "remote")

                // It has to find it again, by what it has noted of the volume.
                try await host.restartEngine()
                #expect(try await host.docker("volume", "ls", "-q", "-f", "driver=\(name)") == "remote")
                #expect(try await write("more", by: name) == "kept\nmore")
                try await host.waitUntilFree("remote")
                try await host.docker("volume", "rm", "remote")
                #expect(try await host.storedVolumes().isEmpty)
            }
            #expect(try await !host.exists(folder), "the folder went with the last file in it")
            #expect(try await host.exists(EngineHost.specFile))
        }

        /// Adds a line to a file in the volume, as a container that names the driver, and gives the whole file.
        @discardableResult
        private func write(_ line: String, by driver: String) async throws -> String {
            try await host.docker(
                "run", "--rm", "--network", "none", "--volume-driver", driver, "-v", "remote:/data", "bb:1", "sh", "-c",
                "echo \(line) >>/data/log; cat /data/log")
        }
    }
}
