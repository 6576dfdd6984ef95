// SPDX-License-Identifier: Apache-2.0

import Synchronization

extension StoredVolumes {
    /// Notes that an engine was started: what an earlier one of the same process ID held is held no more.
    public func engineActivated(_ engine: Caller) {
        entries.withLock { entries in
            for name in entries.keys { entries[name]?.content?.mounts.doubtEarlier(engine.processID) }
        }
    }

    /// Mounts a volume if it is not, and counts; see ``VolumePlugin/mount(_:id:for:)``.
    public func mount(_ name: String, id: String, for engine: Caller) async throws -> String {
        guard id.utf8.count <= 256 else {
            throw PluginError("cannot mount volume '\(name)': the request's 'ID' has more than 256 bytes")
        }
        return try await alone(on: name) { [self] in
            guard let entry = entry(name) else { throw PluginError("no such volume: '\(name)'") }
            var content = try content(of: entry, name)
            if entry.isMounted != true {
                update(name) { $0.isMounted = nil }
                try await storage.mount(content.volume)
                update(name) { $0.isMounted = true }
            }
            content.mounts.add(id, for: engine.processID)
            do {
                try folder.save(content, as: entry.file)
            } catch {
                // Mounted for nobody, it would stay so.
                if entry.content?.mounts.isEmpty == true { await unmountOrReport(content.volume) }
                throw PluginError("it cannot be noted that volume '\(name)' is held: \(error)")
            }
            update(name) { $0.content?.mounts.add(id, for: engine.processID) }
            return storage.mountpoint(of: content.volume)
        }
    }

    /// Takes one mount back, and unmounts the volume after the last; see ``VolumePlugin/unmount(_:id:)``.
    public func unmount(_ name: String, id: String) async throws {
        try await toTheEnd { [self] in
            try await alone(on: name) { [self] in
                guard let entry = entry(name), var content = entry.content, content.mounts.remove(id) else { return }
                // The engine keeps an ID whose Unmount fails, and sends it again one day.
                if content.mounts.isEmpty { try await unmount(content.volume) }
                update(name) { _ = $0.content?.mounts.remove(id) }
                do {
                    try folder.save(content, as: entry.file)
                } catch {
                    report("after a restart volume '\(name)' may count as held though it is not: \(error)")
                }
            }
        }
    }

    private func unmountOrReport(_ volume: StoredVolume) async {
        do {
            try await toTheEnd { [self] in try await unmount(volume) }
        } catch {
            report("volume '\(volume.name)' stays mounted: \(error)")
        }
    }
}
