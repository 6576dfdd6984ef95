// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Synchronization
import Testing

/// Lists that are made of the last one and of what has changed since.
@Suite struct ListPiecesTests {
    private final class Plugin: VolumePlugin {
        /// The volumes, with the version and the number of Mounts of each.
        let volumes = Mutex<[String: (version: UInt64, mounts: Int64)]>([:])
        /// Gone when they are described.
        let vanishing = Mutex<Set<String>>([])
        let described = Mutex<[String]>([])

        var scope: VolumeScope { .local }
        func create(_ name: String, options: [String: String]?) async throws {}
        func remove(_ name: String) async throws {}
        func mount(_ name: String, id: String, for engine: Caller) async throws -> String { "/m" }
        func unmount(_ name: String, id: String) async throws {}
        func path(_ name: String) throws -> String { "/m" }
        func get(_ name: String) throws -> VolumeInfo { VolumeInfo(name: name) }
        func list() throws -> [VolumeInfo] { try list(volumes.withLock { $0.keys.sorted() }) }

        func listedVersions() -> [(name: String, version: UInt64)]? {
            volumes.withLock { $0.map { ($0.key, $0.value.version) }.sorted { $0.name < $1.name } }
        }

        func list(_ names: [String]) throws -> [VolumeInfo] {
            described.withLock { $0 += names }
            let vanishing = vanishing.withLock { $0 }
            return volumes.withLock { volumes in
                names.filter { !vanishing.contains($0) }.compactMap { name in
                    volumes[name].map { VolumeInfo(name: name, status: ["mounts": .integer($0.mounts)]) }
                }
            }
        }
    }

    /// The list as the engine gets it, beside one that is made anew.
    private func expectRight(
        _ subsystem: VolumeSubsystem, _ plugin: Plugin, asking: [String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        plugin.described.withLock { $0 = [] }
        let list = try body(subsystem.answer("List", body: [], from: Caller()))
        #expect(plugin.described.withLock { $0 } == asking, sourceLocation: sourceLocation)
        #expect(
            try list == body(VolumeSubsystem(plugin).answer("List", body: [], from: Caller())),
            sourceLocation: sourceLocation)
    }

    private func body(_ answer: PluginAnswer) throws -> JSONValue {
        guard case .now(let response) = answer else { return .null }
        return try JSONValue(parsing: response.body)
    }

    @Test func onlyWhatHasChangedIsDescribed() throws {
        let plugin = Plugin()
        let subsystem = VolumeSubsystem(plugin)
        try expectRight(subsystem, plugin, asking: [])
        plugin.volumes.withLock { $0 = ["a": (1, 0), "b": (2, 0), "c": (3, 0)] }
        try expectRight(subsystem, plugin, asking: ["a", "b", "c"])
        try expectRight(subsystem, plugin, asking: [])
        plugin.volumes.withLock { $0["b"] = (4, 1000) }
        try expectRight(subsystem, plugin, asking: ["b"])
        plugin.volumes.withLock { $0["a"] = nil }
        try expectRight(subsystem, plugin, asking: [])
        plugin.volumes.withLock { ($0["a"], $0["c"], $0["d"]) = ((5, 1), nil, (6, 2)) }
        try expectRight(subsystem, plugin, asking: ["a", "d"])
        plugin.volumes.withLock { $0 = [:] }
        try expectRight(subsystem, plugin, asking: [])
    }

    @Test func oneThatVanishesMeanwhileIsLeftOut() throws {
        let plugin = Plugin()
        let subsystem = VolumeSubsystem(plugin)
        plugin.volumes.withLock { $0 = ["a": (1, 0), "b": (2, 0)] }
        plugin.vanishing.withLock { $0 = ["a"] }
        try expectRight(subsystem, plugin, asking: ["a", "b"])
        plugin.vanishing.withLock { $0 = [] }
        try expectRight(subsystem, plugin, asking: ["a"])
    }
}
