// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineTests {
    /// The package is installed, removed, installed again and purged.
    @Suite struct PackageTests {
        let host = EngineHost.shared

        @Test func afterInstallTheEngineFindsMobyfsWithNoFurtherStep() async throws {
            try await host.withPackageReinstalled {
                try await host.uninstall("purge")
                try await host.run("rm", "-rf", "/var/lib/mobyfs")
                // An engine that never heard of mobyfs, and has looked for plugins already.
                try await host.restartEngine()
                try await host.docker("volume", "ls")
                let engine = try await host.engineProcessID()

                try await host.install()
                #expect(try await host.run("systemctl", "is-enabled", "mobyfs.socket") == "enabled")
                #expect(try await host.run("systemctl", "is-enabled", "mobyfs.service") == "enabled")
                #expect(try await host.isActive("mobyfs.socket"))
                #expect(try await host.run("stat", "-c", "%F %a %U", EngineHost.socket) == "socket 600 root")
                #expect(try await host.read(EngineHost.specFile) == "unix://\(EngineHost.socket)")

                try await host.expectWholeLife(ofVolume: "first")
                #expect(try await host.isActive("mobyfs.service"))
                #expect(try await host.engineProcessID() == engine)
            }
        }

        @Test func removingStopsEverythingKeepsTheDataAndReinstallingFindsIt() async throws {
            try await host.withPackageReinstalled {
                try await makeVolumeWithData()
                try await host.uninstall("remove")
                try await expectGone()
                try await expectDataKept()
                #expect(try await host.exists("/etc/mobyfs/mobyfs.env"), "configuration stays until purge")
                // The engine starts slowly, for the volume that it remembers, but then it does not wait any more.
                try await host.expectQuickVolumeList()

                try await host.install()
                #expect(try await host.volumeNames() == ["kept"])
                let volume = try await host.inspectVolume("kept")
                #expect(volume.driver == "mobyfs")
                #expect(volume.labels == ["tier": "gold"])
                #expect(try await host.inContainer("cat /data/f", volumes: "kept:/data") == "precious")
            }
        }

        @Test func purgingKeepsTheDataAndSaysWhere() async throws {
            try await host.withPackageReinstalled {
                try await makeVolumeWithData()
                let output = try await host.uninstall("purge")
                #expect(output.contains("/var/lib/mobyfs"))
                try await expectGone()
                try await expectDataKept()
                #expect(try await !host.exists("/etc/mobyfs/mobyfs.env"))

                try await host.install()
                #expect(try await host.inContainer("cat /data/f", volumes: "kept:/data") == "precious")
            }
        }

        private func makeVolumeWithData() async throws {
            try await host.createVolume("kept", labels: ["tier=gold"])
            try await host.inContainer("echo precious >/data/f", volumes: "kept:/data")
            try await host.waitUntilFree("kept")
        }

        private func expectGone() async throws {
            for unit in ["mobyfs.socket", "mobyfs.service"] {
                #expect(try await !host.isActive(unit))
            }
            #expect(try await host.attempt(["pgrep", "-x", "mobyfs"]).standardOutput == "", "a process is left")
            #expect(try await !host.exists(EngineHost.socket))
            #expect(try await host.names(in: "/etc/docker/plugins").isEmpty)
        }

        private func expectDataKept() async throws {
            #expect(try await host.storedVolumes() == ["kept"])
            #expect(try await host.read("\(EngineHost.volumes)/kept/data/f") == "precious")
        }
    }
}
