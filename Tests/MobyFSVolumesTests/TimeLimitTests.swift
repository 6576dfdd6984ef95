// SPDX-License-Identifier: Apache-2.0

import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// A storage that does not answer.
@Suite struct TimeLimitTests {
    private static let limits = TimeLimits(long: .seconds(4), short: .seconds(3), grace: .zero)

    private func withHungMount(
        _ body: (VolumeManager, RecordingDriver, AsyncStream<Void>.Continuation) async throws -> Void
    ) async throws {
        let driver = RecordingDriver()
        try await withTemporaryDirectory { root in
            let volumes = VolumeManager(
                root: root.appending("pool"), runtimeDirectory: root.appending("run"), drivers: [driver],
                limits: Self.limits, logger: .silent)
            let creator = await ManagerFixture(root: root, drivers: [driver]).volumes
            for name in ["db", "other"] { try await creator.create(name, options: [:]) }
            await volumes.load()
            let gate = driver.hold(.mount("db"))
            try await body(volumes, driver, gate)
        }
    }

    @Test func isAnErrorInTimeAndHoldsUpNoOtherVolume() async throws {
        try await withHungMount { volumes, driver, gate in
            let error = await #expect(throws: VolumeError.self) { try await volumes.mount("db", id: "i", for: nil) }
            #expect(error?.message.contains("did not answer") == true)
            let busy = await #expect(throws: VolumeError.self) { try await volumes.remove("db") }
            #expect(busy?.message.contains("is busy: it is being mounted, for ") == true)
            _ = try await volumes.mount("other", id: "i", for: nil)
            #expect(try volumes.describeAll().count == 2)
            gate.finish()
        }
    }

    @Test func whatComesAboutTooLateIsTakenBack() async throws {
        try await withHungMount { volumes, driver, gate in
            await #expect(throws: VolumeError.self) { try await volumes.mount("db", id: "i", for: nil) }
            gate.finish()
            while driver.calls.last != .unmount("db") { await Task.yield() }
            while try volumes.describe("db").mountCount != 0 { await Task.yield() }
            driver.release(.mount("db"))
            _ = try await volumes.mount("db", id: "i", for: nil)
            #expect(try volumes.describe("db").mountCount == 1)
        }
    }

    /// Nobody asks for it twice.
    @Test func anUnmountIsDoneAfterTheResizeThatItDoesNotWaitFor() async throws {
        let driver = RecordingDriver()
        try await withTemporaryDirectory { root in
            let volumes = await ManagerFixture(root: root, drivers: [driver]).volumes
            try await volumes.create("db", options: ["size": "1GiB"])
            _ = try await volumes.mount("db", id: "i", for: nil)
            let gate = driver.hold(.resize("db"))
            let resize = Task { try await volumes.resize("db", to: "2GiB") }
            try await eventually("it is being resized") { driver.calls.last == .resize("db") }
            try await volumes.unmount("db", id: "i")
            #expect(try volumes.describe("db").mountCount == 1)
            gate.finish()
            _ = try await resize.value
            try await eventually("it is unmounted") { try volumes.describe("db").mountCount == 0 }
            #expect(driver.calls.last == .unmount("db"))
        }
    }
}
