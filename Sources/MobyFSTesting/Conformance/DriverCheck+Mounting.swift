// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSVolumes
import SystemPackage
import Testing

extension DriverCheck {
    /// Mount and Unmount.
    static let mounting = [
        DriverCheck("a volume is mounted once, until its last holder goes", countMounts),
        DriverCheck("data outlives Unmount and Mount", remount),
        DriverCheck("where a volume is mounted nobody writes while it is not", bareDirectory),
        DriverCheck("what was unmounted behind the manager's back is mounted again", unmountedElsewhere),
        DriverCheck("what somebody else mounted over a volume is not handed out", mountedOver),
        DriverCheck("a volume is held and mounted over a restart of the daemon", restart),
        DriverCheck("a volume is there after a reboot", reboot),
        DriverCheck("a process at work in a volume keeps it mounted for now", processAtWork),
    ]

    private static func countMounts(_ run: DriverRun) async throws {
        try await run.create("db")
        let path = try await run.mount("db", "c")
        try path.appending("file").write("precious")
        // The ID of a container that is copied from comes twice.
        for id in ["d", "c"] {
            #expect(try await run.mount("db", id) == path)
            try run.expectMounted("db")
        }
        for id in ["c", "d"] {
            try await run.unmount("db", id)
            try path.expectText("precious", in: "file")
            try run.expectMounted("db")
        }
        try await run.unmount("db", "c")
        try await run.expectReleased("db")
        // Nobody's Unmount does nothing.
        try await run.unmount("db", "c")
        try await run.unmount("db", "nobody")
    }

    private static func remount(_ run: DriverRun) async throws {
        try await run.create("db")
        for round in 1...3 {
            try await run.withMounted("db") { try $0.appending("\(round)").write("precious") }
            try await run.expectReleased("db")
        }
        try await run.withMounted("db") { try $0.expectEntries(["1", "2", "3"]) }
    }

    private static func bareDirectory(_ run: DriverRun) async throws {
        guard run.fixture.mounting == .whileHeld else { return }
        try await run.create("db")
        let path = try await run.withMounted("db") { $0 }
        try await run.expectReleased("db")
        #expect(!path.exists || path.attributes.mode == 0)
    }

    private static func unmountedElsewhere(_ run: DriverRun) async throws {
        guard run.fixture.mounting != .never else { return }
        try await run.create("db")
        let path = try await run.mount("db")
        try path.appending("file").write("precious")
        try run.unmountAll()
        #expect(try await run.mount("db", "d") == path)
        if run.fixture.isLasting { try path.expectText("precious", in: "file") }
        try run.expectMounted("db")
        for id in ["c", "d"] { try await run.unmount("db", id) }
        try await run.expectReleased("db")
    }

    private static func mountedOver(_ run: DriverRun) async throws {
        guard run.fixture.mounting != .never else { return }
        try await run.create("db")
        let path = try await run.mount("db")
        try path.appending("file").write("precious")
        try #require(mount("none", path.string, "tmpfs", 0, nil) == 0)
        let names: [String]
        do {
            names = try Directories.entries(of: try await run.mount("db", "d"))
        } catch let error as VolumeError {
            #expect(error.code == .unavailable, "\(error)")
            names = ["file"]
        }
        #expect(names == ["file"], "the other file system was handed out")
        // Taken away again, by us or before by the driver.
        if try Mounts.entry(at: path)?.source == "none" { try Mounts.unmount(path) }
        try path.expectText("precious", in: "file")
    }

    private static func restart(_ run: DriverRun) async throws {
        try await run.create("db")
        let path = try await run.mount("db")
        try path.appending("file").write("precious")
        await run.restart()
        #expect(try run.volumes.describe("db").mountCount == 1)
        #expect(try run.volumes.describe("db").mountpoint == path)
        try path.expectText("precious", in: "file")
        #expect(try await run.mount("db", "d") == path)
        try run.expectMounted("db")
        for id in ["c", "d"] { try await run.unmount("db", id) }
        try await run.expectReleased("db")
        await run.restart()
        try await run.withMounted("db") { try $0.expectText("precious", in: "file") }
    }

    private static func reboot(_ run: DriverRun) async throws {
        try await run.create("db")
        try await run.mount("db").appending("file").write("precious")
        try await run.reboot()
        #expect(try run.volumes.describe("db").mountCount == 0)
        try await run.withMounted("db") { try $0.expectEntries((run.fixture.isLasting ? ["file"] : [])) }
    }

    private static func processAtWork(_ run: DriverRun) async throws {
        guard run.fixture.mounting == .whileHeld else { return }
        try await run.create("db")
        let path = try await run.mount("db")
        let file = try FileDescriptor.open(
            path.appending("file"), .writeOnly, options: .create, permissions: .ownerReadWrite)
        do {
            try await run.unmount("db")
            try file.writeAll("precious".utf8)
        } catch {
            try file.close()
            throw error
        }
        try file.close()
        await run.volumes.unmountIdle()
        try await run.expectReleased("db")
        try await run.withMounted("db") { try $0.expectText("precious", in: "file") }
    }
}
