// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSVolumes
import SystemPackage
import Testing

extension DriverCheck {
    /// Create and Remove.
    static let lifecycle = [
        DriverCheck("a volume that is created twice is one volume", createTwice),
        DriverCheck("a Create that fails at its end leaves nothing", createThatFails),
        DriverCheck("a Create that a crash cut off leaves nothing", createThatIsCutOff),
        DriverCheck("Remove leaves nothing, and may come twice", removeTwice),
        DriverCheck("a volume that was never mounted is removed", removeUnused),
        DriverCheck("Remove is refused while somebody holds the volume", removeInUse),
        DriverCheck("data that is to be kept is there for a later volume of the name", keepData),
    ]

    private static func createTwice(_ run: DriverRun) async throws {
        try await run.create("db")
        try await run.withMounted("db") { try $0.appending("file").write("precious") }
        try await run.create("db")
        try await run.volumes.create("db", options: nil)
        let error = await #expect(throws: VolumeError.self) {
            try await run.create("db", ["protected": "true", "mode": "0711"])
        }
        #expect(error?.code == .alreadyExists)
        try await run.withMounted("db") { try $0.expectText("precious", in: "file") }
        #expect(run.volumes.counts.volumes == 1)
    }

    private static func createThatFails(_ run: DriverRun) async throws {
        // The record's place is taken, which shows when all else is made.
        let place = run.pool.appending("volumes/db")
        try Directories.create(place.appending("in the way"), mode: 0o755)
        for _ in 0..<2 {
            await #expect(throws: (any Error).self) { try await run.create("db") }
            #expect(try Directories.entries(of: run.pool.appending("volumes")) == ["db"])
            #expect(try run.mountsOf("db").isEmpty)
            #expect(run.volumes.counts.volumes == 0)
        }
        try TreeRemover.remove(place)
        try await run.expectNothingLeft()
        try await run.create("db")
        try await run.withMounted("db") { try $0.appending("file").write("precious") }
    }

    private static func createThatIsCutOff(_ run: DriverRun) async throws {
        try await run.createHalf("db")
        await run.restart()
        #expect(run.volumes.counts.volumes == 0)
        try await run.expectNothingLeft()
        try await run.create("db")
        try await run.withMounted("db") { try $0.expectEntries([]) }
    }

    private static func removeTwice(_ run: DriverRun) async throws {
        try await run.create("db")
        try await run.withMounted("db") { path in
            try Directories.create(path.appending("a/b/c"), mode: 0o700)
            try path.appending("a/b/c/file").write("precious")
        }
        try await run.volumes.remove("db")
        try await run.volumes.remove("db")
        #expect(throws: VolumeError.self) { try run.volumes.describe("db") }
        try await run.expectNothingLeft()
        // A new volume of that name has nothing of the old one, unless the data was never ours.
        try await run.create("db")
        try await run.withMounted("db") { try $0.expectEntries((run.fixture.ownsData ? [] : ["a"])) }
    }

    private static func removeUnused(_ run: DriverRun) async throws {
        try await run.create("db")
        try await run.volumes.remove("db")
        try await run.expectNothingLeft()
    }

    private static func removeInUse(_ run: DriverRun) async throws {
        try await run.create("db")
        let path = try await run.mount("db")
        try path.appending("file").write("precious")
        for _ in 0..<2 {
            let error = await #expect(throws: VolumeError.self) { try await run.volumes.remove("db") }
            #expect(error?.code == .inUse)
            await run.restart()
        }
        try path.expectText("precious", in: "file")
        try await run.unmount("db")
        try await run.volumes.remove("db")
        try await run.expectNothingLeft()
    }

    private static func keepData(_ run: DriverRun) async throws {
        guard run.fixture.ownsData, run.fixture.isLasting else { return }
        try await run.create("db", ["on-remove": "keep"])
        try await run.withMounted("db") { try $0.appending("file").write("precious") }
        try await run.volumes.remove("db")
        #expect(run.volumes.counts.volumes == 0)
        await run.restart()
        try await run.create("db", ["on-remove": "delete"])
        try await run.withMounted("db") { try $0.expectText("precious", in: "file") }
    }
}
