// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Testing

extension EngineHost {
    /// The life of a volume, from create to rm, with everything that the engine tells of it on the way; it must be
    /// the same over every transport.
    func expectWholeLife(ofVolume name: String) async throws {
        let before = Date.now
        try await createVolume(name, options: ["mode=0750"], labels: ["tier=gold"])
        let after = Date.now

        let volume = try await inspectVolume(name)
        #expect(volume.name == name)
        #expect(volume.driver == "mobyfs")
        #expect(volume.scope == "local")
        #expect(volume.labels == ["tier": "gold"])
        #expect(volume.options == ["mode": "0750"])
        #expect(volume.status?.driver == "directory")
        #expect(volume.status?.mounts == 0)
        let created = try Date(volume.createdAt, strategy: .iso8601)
        #expect(created.timeIntervalSince(before) > -1.1, "the engine shows whole seconds")
        #expect(created.timeIntervalSince(after) < 0.1)
        #expect(try await run("stat", "-c", "%F %a", volume.mountpoint) == "directory 750")
        #expect(try await exists("\(Self.volumes)/\(name)/record.json"))

        let list = try await docker("volume", "ls", "--format", "{{.Driver}} {{.Name}}")
        #expect(list.lines.filter { $0 == "mobyfs \(name)" }.count == 1)

        // A second look must not find another time of creation.
        #expect(try await inspectVolume(name).createdAt == volume.createdAt)

        #expect(try await inContainer("echo kept >/data/f; cat /data/f", volumes: "\(name):/data") == "kept")
        #expect(try await inContainer("cat /data/f", volumes: "\(name):/data:ro") == "kept")
        #expect(try await read("\(volume.mountpoint)/f") == "kept")
        try await waitUntilFree(name)

        #expect(try await docker("volume", "rm", name) == name)
        #expect(try await !volumeNames().contains(name))
        let gone = try await attemptDocker(["volume", "inspect", name])
        #expect(!gone.succeeded)
        #expect(gone.standardError.lowercased().contains("no such volume"))
        #expect(try await !exists("\(Self.volumes)/\(name)"))
    }
}
