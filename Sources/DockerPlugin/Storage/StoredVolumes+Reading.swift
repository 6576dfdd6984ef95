// SPDX-License-Identifier: Apache-2.0

import Synchronization

extension StoredVolumes {
    /// The storage's scope.
    public var scope: VolumeScope { storage.scope }

    /// Where a volume's data is; see ``VolumePlugin/path(_:)``.
    public func path(_ name: String) throws -> String {
        guard let entry = entry(name) else { throw PluginError("no such volume: '\(name)'") }
        return storage.mountpoint(of: try content(of: entry, name).volume)
    }

    /// Describes a volume from memory; see ``VolumePlugin/get(_:)``.
    public func get(_ name: String) throws -> VolumeInfo {
        guard let entry = entry(name) else { throw VolumeNotFound("no such volume: '\(name)'") }
        return describe(name, entry)
    }

    /// Describes all volumes from memory.
    public func list() throws -> [VolumeInfo] {
        entries.withLock { $0 }.map { describe($0.key, $0.value) }.sorted { $0.name < $1.name }
    }

    private func describe(_ name: String, _ entry: Entry) -> VolumeInfo {
        var info = VolumeInfo(name: name)
        if let trouble = entry.trouble { info.status["error"] = .string(trouble) }
        guard let content = entry.content else { return info }
        info.mountpoint = storage.mountpoint(of: content.volume)
        info.createdAt = content.volume.createdAt
        info.status = storage.status(of: content.volume)
        info.status["mounts"] = .integer(Int64(content.mounts.count))
        return info
    }
}
