// SPDX-License-Identifier: Apache-2.0

import Testing

extension EngineHost {
    static let socket = "/run/mobyfs/mobyfs.sock"
    static let specFile = "/etc/docker/plugins/mobyfs.spec"
    static let volumes = "/var/lib/mobyfs/volumes"
    static let holders = "/run/mobyfs/holders"

    /// The names of the volumes that are held, as the files in `/run` have it.
    func heldVolumes() async throws -> [String] {
        try await names(in: Self.holders).filter { $0.hasSuffix(".json") }.map { String($0.dropLast(".json".count)) }
    }

    /// The names of the volumes that have a folder on the disk.
    func storedVolumes() async throws -> [String] {
        try await names(in: Self.volumes)
    }

    /// What mobyfs has mounted itself and what else is mounted below its folders.
    func mounts() async throws -> [String] {
        try await run("cat", "/proc/1/mountinfo").lines.filter {
            $0.contains(" /run/mobyfs/") || $0.contains(" /var/lib/mobyfs/")
        }
    }

    /// What there is of volumes beside the engine's own list; nothing at all on a clean host.
    func leftovers() async throws -> [String] {
        try await heldVolumes().map { "holder of '\($0)'" } + storedVolumes().map { "data of '\($0)'" }
            + mounts().map { "mount '\($0)'" }
    }

    /// Waits until nobody holds a volume: no holder is on file and `inspect` counts no mount.
    func waitUntilFree(_ volume: String, within limit: Duration = .seconds(90)) async throws {
        try await eventually(within: limit, "nobody holds '\(volume)'") {
            guard try await inspectVolume(volume).status?.mounts == 0 else { return false }
            return try await !heldVolumes().contains(volume)
        }
    }

    /// Makes a call for a volume to mobyfs itself, behind the engine's back, and gives the reply as it came.
    func call(_ method: String, _ volume: String) async throws -> String {
        try await run(
            "curl", "-sS", "--max-time", "20", "--unix-socket", Self.socket, "-d", #"{"Name":"\#(volume)"}"#,
            "http://plugin.moby.localhost/VolumeDriver.\(method)")
    }

    /// Asks mobyfs to remove a volume; the engine would not even ask for one in use.
    ///
    /// - Returns: The reply when it is a refusal, nil otherwise.
    func refusalToRemove(_ volume: String) async throws -> String? {
        let reply = try await call("Remove", volume)
        return reply.contains(#""Err":"#) && !reply.contains(#""Err":"""#) ? reply : nil
    }

    /// The volume is held, and everybody who may be asked says so.
    func expectHeld(
        _ volume: String, mounts: Int = 1, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let inspection = try await inspectVolume(volume)
        #expect(inspection.status?.mounts == mounts, sourceLocation: sourceLocation)
        #expect(try await heldVolumes().contains(volume), "no holder on file", sourceLocation: sourceLocation)
        let refusal = try await refusalToRemove(volume)
        try #require(refusal != nil, "mobyfs removed a volume that is in use", sourceLocation: sourceLocation)
        #expect(refusal?.contains(volume) == true, "the refusal names the volume", sourceLocation: sourceLocation)
        #expect(try await exists(inspection.mountpoint), sourceLocation: sourceLocation)
    }

    // MARK: Between two tests

    /// Removes all containers and volumes, and fails the running test if that leaves anything of them behind.
    func reset() async throws {
        try await bash("docker ps -aq | xargs -r docker rm -f -v; docker volume ls -q | xargs -r docker volume rm -f")
        try await clearStorage()
        do {
            try await eventually("nothing is left") { try await leftovers().isEmpty }
        } catch {
            let leftovers = try await leftovers().joined(separator: ", ")
            Issue.record("left behind after all volumes were removed: \(leftovers)")
            // So that the tests after this one do not fail for it.
            try await bash(
                """
                systemctl stop mobyfs.service
                rm -rf \(Self.volumes)/* \(Self.holders)/*
                systemctl reset-failed docker.service
                systemctl restart mobyfs.socket docker.service
                """)
        }
        #expect(try await names(in: "/var/lib/mobyfs/quarantine").isEmpty)
        #expect(try await isActive("mobyfs.socket"))
        let spec = try? await read(Self.specFile)  // not there: not equal either
        #expect(spec == "unix://\(Self.socket)")
    }
}
