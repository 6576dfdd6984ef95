// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import DockerPluginServer
import FoundationEssentials
import Systemd

/// Each volume is a directory of the host.
struct Directories: VolumeStorage {
    let root: String

    func mountpoint(of volume: StoredVolume) -> String { "\(root)/\(volume.name)" }

    func create(_ volume: StoredVolume) throws {
        guard volume.options.isEmpty else { throw PluginError("a scratch volume has no options") }
        try FileManager.default.createDirectory(atPath: mountpoint(of: volume), withIntermediateDirectories: true)
    }

    func remove(_ volume: StoredVolume) throws {
        let path = mountpoint(of: volume)
        if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
    }
}

/// A volume plugin: `docker volume create -d scratch data` finds it as long as it runs.
@main struct Scratch: AsyncParsableCommand {
    @Option(help: "The folder for the volumes and the socket.") var root = "/var/lib/scratch"
    @Option(help: "The folder in which engines look for plugins.") var specDir = "/etc/docker/plugins"

    func run() async throws {
        let volumes = try StoredVolumes(Directories(root: "\(root)/data"), in: "\(root)/volumes")
        let passed = try PassedSocket.takeAll().map { Listener.descriptor($0.descriptor) }
        let server = PluginServer.Configuration(
            listeners: passed.isEmpty ? [.unix(path: "\(root)/scratch.sock")] : passed,
            announcement: SpecAnnouncement(name: "scratch", directory: specDir))
        try await PluginServer(server, subsystems: [VolumeSubsystem(volumes)]).runUntilSignalled()
    }
}
