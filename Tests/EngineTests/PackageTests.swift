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

        /// The configuration says where, and is deleted before.
        @Test func purgingNamesTheFolderThatIsConfigured() async throws {
            try await host.withPackageReinstalled {
                try await host.run("mobyfs", "volume", "create", "here")
                try await host.bash(
                    """
                    echo 'MOBYFS_DATA_DIR="/srv/elsewhere/"' >>/etc/mobyfs/mobyfs.env
                    systemctl restart mobyfs
                    """)
                try await host.run("mobyfs", "volume", "create", "there")
                let output = try await host.uninstall("purge")
                for folder in ["/srv/elsewhere", "/var/lib/mobyfs"] {
                    #expect(output.contains("your volumes are kept in \(folder); delete that folder"), "\(output)")
                }
                #expect(try await host.exists("/srv/elsewhere/volumes/there/record.json"))
                #expect(try await !host.exists("/var/lib/misc/mobyfs.data-dir"))

                try await host.install()
                try await host.run("mobyfs", "volume", "rm", "here")
                try await host.run("rm", "-r", "/srv/elsewhere")
            }
        }

        /// Below the runtime folder, which is the package's, is the data of volumes and of the host.
        @Test func purgingTouchesNothingThatIsMounted() async throws {
            try await host.withPackageReinstalled {
                try await host.run("mkdir", "-p", "/srv/precious")
                try await host.run("sh", "-c", "echo precious >/srv/precious/f")
                try await host.createVolume(
                    "bound", options: ["type=none", "o=bind", "device=/srv/precious"])
                try await host.createVolume("filed", options: ["fs=ext4", "size=32M"])
                let container = "purged"
                try await host.start(container, "echo precious >/i/f; sleep 1000", volumes: "bound:/b", "filed:/i")
                try await eventually("the container has written") {
                    let output = try await host.attemptDocker(["exec", container, "cat", "/i/f"])
                    return output.standardOutput.lines == ["precious"]
                }
                let output = try await host.uninstall("purge")
                // A terminal has other line ends.
                let said = output.split(whereSeparator: \.isNewline)
                let heading = said.firstIndex { $0.hasSuffix("end them before mobyfs is installed again:") }
                #expect(heading.map { said[($0 + 1)...].prefix(2) } == ["  bound", "  filed"], "\(output)")
                #expect(try await host.read("/srv/precious/f") == "precious")
                #expect(try await host.exec(container, "cat /i/f") == "precious")

                try await host.install()
                try await host.docker("rm", "-f", container)
                for volume in ["bound", "filed"] {
                    try await host.waitUntilFree(volume)
                    try await host.docker("volume", "rm", volume)
                }
                #expect(try await host.mounts().isEmpty)
                #expect(try await host.read("/srv/precious/f") == "precious")
                try await host.run("rm", "-r", "/srv/precious")
            }
        }

        /// There is nothing of it but what is mounted.
        @Test func aVolumeInMemoryThatIsInUseIsTheSameWhenThePackageIsBack() async throws {
            try await host.withPackageReinstalled {
                try await host.createVolume("memory", on: .tmpfs)
                try await host.start("user", volumes: "memory:/data")
                try await host.exec("user", "echo precious >/data/f")
                let output = try await host.uninstall("remove")
                #expect(output.contains("stay mounted") && output.contains("/run/mobyfs/mounts/memory"))
                #expect(try await host.exec("user", "cat /data/f") == "precious")

                try await host.install()
                try await host.expectHeld("memory")
                #expect(try await host.inContainer("cat /data/f", volumes: "memory:/data") == "precious")
                try await host.docker("rm", "-f", "user")
                try await host.waitUntilFree("memory")
                try await host.docker("volume", "rm", "memory")
                #expect(try await host.mounts().isEmpty)
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
