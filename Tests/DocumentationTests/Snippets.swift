// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient
import DockerPluginDiscovery
import DockerPluginServer
import Glibc
import Logging
import Systemd

// What the pages of the documentation quote. A test makes sure that they quote nothing else.

/// Stands for a library of metrics.
struct Metrics: Sendable {
    func count(_ call: String, failed: Bool, took: Duration) {}
}

func serve(_ plugin: some VolumePlugin, folder: String, specDirectory: String, metrics: Metrics) async throws {
    var configuration = PluginServer.Configuration(
        listeners: [.unix(path: "\(folder)/mine.sock")],
        announcement: SpecAnnouncement(name: "mine", directory: specDirectory))
    // Root alone may call, and who else runs the plugin.
    configuration.accepts = { caller in [0, getuid()].contains(caller.userID) }
    configuration.observer = { call in
        metrics.count(call.method ?? "unknown", failed: call.error != nil, took: call.duration)
    }
    let server = PluginServer(configuration, subsystems: [VolumeSubsystem(plugin)])
    try await server.runUntilSignalled()
}

func announce(in folder: String) throws {
    let file = SpecFile(name: "mine", directory: folder)
    try file.write(PluginEndpoint(PluginAddress("tcp://127.0.0.1:7337")))
}

func find(in directories: PluginDirectories) throws {
    let lookup = try PluginDiscovery(directories: directories).lookUp("mine")
    if let found = lookup.taken {
        print(found.path, found.endpoint?.address.text ?? "", found.problem ?? "", found.remarks)
    }
}

func ask(pluginAt path: String) async throws -> (implemented: [String], mountpoint: String?) {
    let client = PluginClient(PluginEndpoint(PluginAddress(socket: path)))
    let implemented = try await client.activate()
    let answer = try await client.call("VolumeDriver.Get", .object(["Name": "data"]))
    let mountpoint = answer["Volume"]?["Mountpoint"]?.string
    return (implemented, mountpoint)
}

func start() throws {
    let sockets = try PassedSocket.takeAll().filter(\.isListening)
    let systemd = ServiceManager()
    systemd.ready(status: "serving on \(sockets.count) sockets")
}

func log() {
    LoggingSystem.bootstrap { label in
        if JournalLogHandler.isAvailable { return JournalLogHandler(label: label) }
        return StreamLogHandler.standardError(label: label)
    }
}
