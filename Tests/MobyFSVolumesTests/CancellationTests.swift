// SPDX-License-Identifier: Apache-2.0

import MobyFSTesting
import MobyFSVolumes
import Testing

/// The server cancels the task of a call whose engine hung up; what was begun is ended all the same.
@Suite struct CancellationTests {
    @Test func endsWhatWasBegunAndWhatWaits() async throws {
        let driver = RecordingDriver()
        try await withVolumeManager(drivers: [driver]) { fixture in
            let volumes = fixture.volumes
            let gate = driver.hold(.create("db"))
            let creating = Task { try await volumes.create("db", options: ["colour": "red"]) }
            while driver.calls.isEmpty { await Task.yield() }
            let mounting = Task { try await volumes.mount("db", id: "i", for: nil) }
            creating.cancel()
            mounting.cancel()
            gate.finish()
            try await creating.value
            _ = try await mounting.value
            #expect(driver.calls == [.create("db"), .mount("db")])
            let after = try await fixture.restarted().volumes.describe("db")
            #expect(after.volume?.options.values["colour"] == "red")
            #expect(after.mountCount == 1)
        }
    }
}
