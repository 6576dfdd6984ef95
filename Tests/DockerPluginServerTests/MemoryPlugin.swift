// SPDX-License-Identifier: Apache-2.0

import DockerPlugin

/// A plugin that knows all volumes and keeps none; its mounts wait until the test lets them go.
final class MemoryPlugin: VolumePlugin {
    let mounting = AsyncStream<Void>.makeStream()
    let release = AsyncStream<Void>.makeStream()

    var scope: VolumeScope { .local }
    func create(_ name: String, options: [String: String]?) async throws {}
    func remove(_ name: String) async throws { throw PluginTrouble() }
    func mount(_ name: String, id: String, for engine: Caller) async throws -> String {
        mounting.continuation.yield()
        for await _ in release.stream { break }
        return "/m"
    }
    func unmount(_ name: String, id: String) async throws {}
    func path(_ name: String) throws -> String { "/m" }
    func get(_ name: String) throws -> VolumeInfo {
        if name == "sick" { throw PluginTrouble() }
        return VolumeInfo(name: name)
    }
    func list() throws -> [VolumeInfo] { [] }
}

struct PluginTrouble: Error, CustomStringConvertible {
    var description: String { "the disk is on fire" }
}
