// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Logging
import MobyFSHost
import MobyFSVolumes
import SystemPackage

/// The volume manager, seen as a plugin by the engine.
struct MobyFSPlugin: VolumePlugin {
    let volumes: VolumeManager
    /// The name that engines know it by; nil for the daemon's own.
    let name: String?
    /// All names but the daemon's own.
    let furtherNames: Set<String>
    /// The options that volumes get unless asked otherwise.
    let defaults: [String: String]
    /// Whether an engine runs this as a managed plugin.
    let isManaged: Bool
    /// Whether engines of other hosts may hold volumes.
    let servesOtherHosts: Bool
    let logger: Logger
    private let engines = EngineIdentities()

    var scope: VolumeScope { volumes.isShared ? .global : .local }

    func needsRefresh(_ name: String?) -> Bool {
        volumes.needsRefresh(name)
    }

    func refresh(_ name: String?) async {
        await volumes.refresh(name)
    }

    func version(of name: String?) -> UInt64? {
        volumes.version(of: name)
    }

    func engineActivated(_ engine: Caller) {
        // A process is told from the one before by its start; over TCP this call is the only sign of a new one. Who is
        // doubted holds what is mounted on this host, and what is mounted on another cannot be seen from here.
        if engine.processID == nil, !servesOtherHosts { volumes.doubtUnidentifiedHolders() }
    }

    func create(_ name: String, options: [String: String]?) async throws {
        try await logging("create", name) {
            try await volumes.create(name, options: options, defaults: defaults, plugin: self.name)
        }
    }

    func remove(_ name: String) async throws {
        try await logging("remove", name) { try await volumes.remove(name) }
    }

    func mount(_ name: String, id: String, for engine: Caller) async throws -> String {
        let process = engine.processID.flatMap(engines.identity)
        return try await logging("mount", name) { forEngine(try await volumes.mount(name, id: id, for: process)) }
    }

    func mountAtOnce(_ name: String, id: String, for engine: Caller) -> String? {
        volumes.mountAtOnce(name, id: id, for: engine.processID.flatMap(engines.identity)).map(forEngine)
    }

    func unmountAtOnce(_ name: String, id: String) -> Bool {
        volumes.unmountAtOnce(name, id: id)
    }

    func unmount(_ name: String, id: String) async throws {
        try await volumes.unmount(name, id: id)
    }

    func path(_ name: String) throws -> String {
        try described(name).mountpoint.map(forEngine) ?? ""
    }

    func get(_ name: String) throws -> VolumeInfo {
        // Of all paths this one is shown as it is, and joined to nothing.
        VolumeInfo(try described(name))
    }

    func list() throws -> [VolumeInfo] {
        try volumes.describeAll().filter { isListed($0.volume) }.map(listed)
    }

    func listedVersions() -> [(name: String, version: UInt64)]? {
        volumes.versions(where: isListed)?.map { ($0.name.description, $0.version) }
    }

    func list(_ names: [String]) throws -> [VolumeInfo] {
        volumes.describe(names.compactMap { try? VolumeName($0) }).map(listed)
    }

    private func listed(_ description: VolumeDescription) -> VolumeInfo {
        var info = VolumeInfo(description)
        info.mountpoint = description.mountpoint.map(forEngine)
        return info
    }

    /// Whether an engine that asks by this name is told of a volume.
    ///
    /// Each volume is listed under one name, or engines would hide it under all but one of them: that by which it was
    /// created, and the daemon's own once that one is served no more. Asked for itself, it is there by any name.
    private func isListed(_ volume: Volume?) -> Bool {
        let creator = volume?.plugin
        if let name { return creator == name }
        return creator.map { !furtherNames.contains($0) } ?? true
    }

    /// A path of the host, written so that the engine finds it.
    ///
    /// An engine joins what a managed plugin says to the plugin's root folder, by the text alone (`ScopedPath` in
    /// moby's `plugin/v2/plugin.go`). Volumes are not in there: it goes with the plugin. Steps up lead out.
    private func forEngine(_ path: FilePath) -> String {
        (isManaged ? String(repeating: "/..", count: 32) : "") + path.string
    }

    /// Notes what an engine was refused: it tells its user, but nobody later.
    private func logging<Result>(
        _ operation: String, _ name: String, _ body: () async throws -> Result
    ) async throws -> Result {
        do {
            return try await body()
        } catch {
            logger.warning(
                "call refused; the engine is told why",
                metadata: ["operation": "\(operation)", "volume.name": "\(name.prefix(255))", "error": "\(error)"])
            throw error
        }
    }

    private func described(_ name: String) throws -> VolumeDescription {
        do {
            return try volumes.describe(name)
        } catch  where error.code == .notFound {
            throw VolumeNotFound(error.message)
        }
    }
}

extension VolumeInfo {
    fileprivate init(_ description: VolumeDescription) {
        self.init(name: description.name.description)
        mountpoint = description.mountpoint?.string
        createdAt = description.volume?.createdAt
        status["mounts"] = .integer(Int64(description.mountCount))
        if let volume = description.volume {
            status["driver"] = .string(volume.driver)
            status["options"] = .object(volume.options.values.mapValues { .string($0) })
            status["on-remove"] = .string(description.removalPolicy.rawValue)
            if let size = volume.options.size { status["size"] = .string("\(size)") }
        }
        if let warning = description.warning { status["warning"] = .string(warning) }
        if let trouble = description.trouble { status["error"] = .string(trouble) }
    }
}
