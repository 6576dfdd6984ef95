// SPDX-License-Identifier: Apache-2.0

import Testing

/// A managed plugin in the host, beside the service.
struct PluginHost: Sendable {
    private static let bundle = "/root/managed-plugin"

    let host: EngineHost
    /// The plugin's name on the engine, which is its reference in the registry of the host.
    let plugin: String

    /// Makes the plugin from the bundle; it is not enabled.
    func create() async throws {
        try await host.docker("plugin", "create", plugin, Self.bundle)
    }

    /// Runs a shell script in a container with a volume of the plugin's, which is made if it is not there.
    @discardableResult
    func inContainer(_ script: String, volume: String) async throws -> String {
        try await host.docker(
            "run", "--rm", "--network", "none", "--volume-driver", plugin, "-v", "\(volume):/data", "bb:1", "sh", "-c",
            script)
    }

    /// Whether the engine has the plugin, and whether it is enabled.
    func state() async throws -> (isThere: Bool, isEnabled: Bool) {
        let list = try await host.docker("plugin", "ls", "--format", "{{.Name}} {{.Enabled}}").lines
        return (list.contains { $0.hasPrefix("\(plugin) ") }, list.contains("\(plugin) true"))
    }

    /// What is mounted anywhere below the engine's own folder: whoever deletes that deletes this, too.
    func mountsBelowEngine() async throws -> [String] {
        try await host.run("cat", "/proc/1/mountinfo").lines.filter { $0.contains(" /var/lib/docker/plugins/") }
    }

    /// Where a volume of the plugin's is on the host, as a person would look for it.
    func path(of volume: String) -> String { "\(EngineHost.volumes)/\(volume)/data" }

    /// The process that the engine runs.
    func processID() async throws -> String {
        try await host.run("pgrep", "-f", "^/usr/bin/mobyfs start --managed")
    }

    /// Brings the bundle in and the service out of the data folder; afterwards all is as before.
    ///
    /// Stopped, the service would cost the engine 15 s whenever it lists volumes.
    static func run(
        named plugin: String, on host: EngineHost, _ body: (PluginHost) async throws -> Void
    ) async throws {
        if try await !host.exists(bundle) {
            try await host.copyIn(try #require(EngineRequirements.managedPlugin), to: bundle)
        }
        let settings = "MOBYFS_DATA_DIR=/var/lib/mobyfs-service\n"
        try await host.withFile("/etc/mobyfs/mobyfs.env", settings, apply: "systemctl restart mobyfs.service") {
            do {
                try await body(PluginHost(host: host, plugin: plugin))
                try await remove(plugin, from: host)
            } catch {
                try await remove(plugin, from: host)
                throw error
            }
        }
    }

    private static func remove(_ plugin: String, from host: EngineHost) async throws {
        // Volumes first: without their plugin the engine would not forget them.
        try await host.bash(
            """
            docker ps -aq | xargs -r docker rm -f -v
            docker volume ls -q | xargs -r docker volume rm -f
            docker plugin ls --format '{{.Name}}' | xargs -r docker plugin rm -f
            rm -rf /var/lib/mobyfs/run
            """)
    }
}

/// A registry on the host's loopback interface, from Debian's package.
enum Registry {
    static let address = "localhost:5000"

    static func run(on host: EngineHost, _ body: () async throws -> Void) async throws {
        try await host.copyIn(try #require(EngineRequirements.registryPackage), to: "/root/registry.deb")
        try await host.write(
            """
            version: 0.1
            storage: {filesystem: {rootdirectory: /root/registry/data}}
            http: {addr: "127.0.0.1:5000"}
            """, to: "/root/registry/config.yml")
        try await host.bash(
            """
            dpkg-deb -x /root/registry.deb /root/registry
            systemd-run -q --unit registry /root/registry/usr/bin/docker-registry serve /root/registry/config.yml
            """)
        do {
            try await eventually("the registry answers") {
                try await host.attempt(["curl", "-sf", "http://\(address)/v2/"]).succeeded
            }
            try await body()
        } catch {
            try await stop(on: host)
            throw error
        }
        try await stop(on: host)
    }

    private static func stop(on host: EngineHost) async throws {
        try await host.bash("systemctl stop registry; rm -rf /root/registry /root/registry.deb")
    }
}
