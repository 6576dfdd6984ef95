// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineTests {
    /// mobyfs as a managed plugin: made from `make managed-plugin`, run by the engine itself.
    @Suite(
        .enabled(if: EngineRequirements.managedPlugin != nil, "needs .build/managed-plugin (make managed-plugin)"))
    struct ManagedPluginTests {
        let host = EngineHost.shared

        @Test func dataOutliveThePlugin() async throws {
            try await PluginHost.run(named: "mobyfs:test", on: host) { plugin in
                try await plugin.create()
                try await host.docker("plugin", "enable", plugin.plugin)
                try await plugin.inContainer("echo precious >/data/f", volume: "kept")
                #expect(try await plugin.inContainer("cat /data/f", volume: "kept") == "precious")
                #expect(try await host.inspectVolume("kept").mountpoint == plugin.path(of: "kept"))

                try await host.docker("plugin", "disable", "-f", plugin.plugin)
                #expect(try await host.read("\(plugin.path(of: "kept"))/f") == "precious")
                try await host.docker("plugin", "enable", plugin.plugin)
                #expect(try await plugin.inContainer("cat /data/f", volume: "kept") == "precious")

                try await host.docker("plugin", "rm", "-f", plugin.plugin)
                #expect(try await host.read("\(plugin.path(of: "kept"))/f") == "precious")
                #expect(try await host.read("\(EngineHost.volumes)/kept/record.json").contains("directory"))

                try await plugin.create()
                try await host.docker("plugin", "enable", plugin.plugin)
                #expect(try await plugin.inContainer("cat /data/f", volume: "kept") == "precious")
                try await host.docker("volume", "rm", "kept")
                #expect(try await host.storedVolumes().isEmpty)
            }
        }

        /// Whoever resets an engine with `rm -rf /var/lib/docker`, with the plugin's processes still there, deletes
        /// whatever is mounted in it.
        @Test func nothingOfTheHostIsMountedInTheEnginesFolder() async throws {
            try await PluginHost.run(named: "mobyfs:test", on: host) { plugin in
                try await plugin.create()
                try await host.docker("plugin", "enable", plugin.plugin)
                try await host.docker(
                    "run", "-d", "--name", "holder", "--network", "none", "--volume-driver", plugin.plugin, "-v",
                    "held:/data", "bb:1", "sh", "-c", "echo here >/data/f; exec sleep 1000000")
                #expect(try await plugin.mountsBelowEngine().isEmpty)

                // The engine starts it again.
                let old = try await plugin.processID()
                try await host.run("kill", "-KILL", old)
                try await eventually("the plugin is back") {
                    try await host.inspectVolume("held").status?.mounts == 1
                }
                #expect(try await plugin.processID() != old)
                #expect(try await plugin.mountsBelowEngine().isEmpty)

                // Removed under a running container, it leaves the container what it has.
                try await host.docker("plugin", "rm", "-f", plugin.plugin)
                #expect(try await host.exec("holder", "cat /data/f") == "here")
                try await plugin.create()
                try await host.docker("plugin", "enable", plugin.plugin)
                #expect(try await host.inspectVolume("held").status?.mounts == 1)
            }
        }

        @Test func volumesInUseAreNotRemovedBehindTheEnginesBack() async throws {
            try await PluginHost.run(named: "mobyfs:test", on: host) { plugin in
                try await plugin.create()
                try await host.docker("plugin", "enable", plugin.plugin)
                try await host.docker("volume", "create", "-d", plugin.plugin, "busy")

                // Mounted by the host, after the plugin had its look.
                try await host.run("mount", "-t", "tmpfs", "disk", plugin.path(of: "busy"))
                let refusal = try await host.attemptDocker(["volume", "rm", "busy"])
                try await host.run("umount", plugin.path(of: "busy"))
                #expect(!refusal.succeeded)
                #expect(refusal.standardError.contains("is mounted at '\(plugin.path(of: "busy"))'"))

                let elsewhere = try await host.attemptDocker(
                    ["volume", "create", "-d", plugin.plugin, "-o", "mountpoint=/srv/x", "elsewhere"])
                #expect(elsewhere.standardError.contains("out of reach of a managed plugin"))
            }
        }

        @Test(
            .enabled(
                if: EngineRequirements.registryPackage != nil && EngineRequirements.suite != "bullseye",
                "needs docker-registry in .build/packages (make test fetches it), and a libc that it runs with"))
        func isPushedToARegistryAndInstalledFromThere() async throws {
            let reference = "\(Registry.address)/mobyfs:test"
            try await PluginHost.run(named: reference, on: host) { plugin in
                try await Registry.run(on: host) {
                    try await plugin.create()
                    try await host.docker("plugin", "push", reference)
                    try await host.docker("plugin", "rm", reference)

                    try await host.docker("plugin", "install", "--grant-all-permissions", reference)
                    try await plugin.inContainer("echo pulled >/data/f", volume: "pulled")
                    try await host.docker("plugin", "rm", "-f", reference)

                    // There is no terminal to ask at.
                    let refusal = try await host.attempt(["mobyfs", "plugin", "install", reference])
                    #expect(refusal.exitCode == 1)
                    #expect(refusal.standardError.contains("mount: /var/lib/mobyfs"))
                    #expect(refusal.standardError.contains("--grant-all-permissions"))
                    #expect(try await !plugin.state().isThere)

                    let installed = try await host.run(
                        "mobyfs", "plugin", "install", "--grant-all-permissions", reference, "MOBYFS_LOG_LEVEL=debug")
                    #expect(
                        installed == "installed '\(reference)', enabled: it implements docker.volumedriver/1.0")
                    #expect(try await plugin.inContainer("cat /data/f", volume: "pulled") == "pulled")
                    let environment = try await host.docker("plugin", "inspect", "-f", "{{.Settings.Env}}", reference)
                    #expect(environment.contains("MOBYFS_LOG_LEVEL=debug"))
                    try await host.docker("volume", "rm", "pulled")

                    #expect(try await host.attempt(["mobyfs", "plugin", "rm", reference]).exitCode == 1)
                    #expect(try await plugin.state().isEnabled, "what is enabled is not removed unasked")
                    try await host.run("mobyfs", "plugin", "disable", reference)
                    #expect(try await plugin.state() == (isThere: true, isEnabled: false))
                    try await host.run("mobyfs", "plugin", "enable", reference)
                    #expect(try await plugin.state().isEnabled)
                    try await host.run("mobyfs", "plugin", "rm", "--force", reference)
                    #expect(try await !plugin.state().isThere)
                }
            }
        }

        @Test func aProgramIsInstalledAndRemovedByItsSpecFile() async throws {
            let address = "unix://\(EngineHost.socket)"
            let installed = try await host.run("mobyfs", "plugin", "install", "second", "--address", address)
            #expect(installed == "installed 'second' at \(address): it implements VolumeDriver")
            try await host.docker("volume", "create", "-d", "second", "by-second")
            #expect(try await host.exists("\(EngineHost.volumes)/by-second"))
            try await host.docker("volume", "rm", "by-second")

            let removed = try await host.run("mobyfs", "plugin", "rm", "second")
            #expect(removed.contains("'/etc/docker/plugins/second.spec'"))
            #expect(try await host.names(in: "/etc/docker/plugins") == ["mobyfs.spec"])
        }
    }
}
