// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// A mount driver and a folder to mount in, without a manager.
struct MountDriverFixture: Sendable {
    let root: FilePath
    let driver: MountDriver

    var mounts: FilePath { root.appending("run/mounts/db") }
    /// Where programs are that a test makes.
    var programs: FilePath { root.appending("programs") }

    func context(_ secrets: [String: Secret] = [:], within limit: Duration = .seconds(60)) -> DriverContext {
        DriverContext(
            root: root.appending("volume"), mounts: mounts, secrets: secrets, deadline: .now + limit, logger: .silent)
    }

    func volume(_ given: [String: String]) throws -> (volume: Volume, secrets: [String: Secret]) {
        let parsed = try OptionParser(driver).parse(given)
        return (Volume(name: try VolumeName("db"), driver: "mount", options: parsed.options), parsed.secrets)
    }

    /// Creates and mounts a volume.
    @discardableResult
    func mount(_ given: [String: String], within limit: Duration = .seconds(60)) async throws -> FilePath {
        let (volume, secrets) = try volume(given)
        let context = context(secrets, within: limit)
        _ = try await driver.create(volume, in: context)
        try await driver.mount(volume, in: context)
        return driver.mountpoint(of: volume, in: context)
    }

    func unmount(_ given: [String: String], within limit: Duration = .seconds(60)) async throws {
        try await driver.unmount(try volume(given).volume, in: context(within: limit))
    }

    /// The text with which a mount is refused.
    func refusal(_ given: [String: String], within limit: Duration = .seconds(60)) async throws -> String {
        let error = await #expect(throws: VolumeError.self) { try await mount(given, within: limit) }
        let entry = try Mounts.entry(at: mounts)
        #expect(entry == nil, "nothing is left mounted")
        #expect(!mounts.exists)
        return "\(try #require(error))"
    }

    /// Makes a program.
    func makeProgram(_ name: String, _ script: String) throws {
        try programs.appending(name).write("#!/bin/sh\n\(script)\n")
        chmod(programs.appending(name).string, 0o755)
    }

    var entry: MountEntry? {
        get throws { try Mounts.entry(at: mounts) }
    }
}

/// Runs `body` with a driver; whatever it leaves mounted is unmounted.
func withMountDriver(_ body: (MountDriverFixture) async throws -> Void) async throws {
    try await withTemporaryDirectory { root in
        let programs = root.appending("programs")
        try Directories.create(programs, mode: 0o755)
        try Directories.create(root.appending("credentials"), mode: 0o700)
        let driver = MountDriver(
            reserved: [root.appending("pool")], programs: [programs],
            credentialsFolder: root.appending("credentials"))
        let fixture = MountDriverFixture(root: root, driver: driver)
        defer {
            #expect(throws: Never.self) {
                while try fixture.entry != nil { try Mounts.unmount(fixture.mounts, detaching: true) }
                try Mountpoint(fixture.mounts).remove()
            }
        }
        try await body(fixture)
    }
}
