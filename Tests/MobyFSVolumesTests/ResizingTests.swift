// SPDX-License-Identifier: Apache-2.0

import MobyFSTesting
import MobyFSVolumes
import Testing

@Suite struct ResizingTests {
    @Test func keepsTheNewSizeAcrossARestart() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: ["size": "1G"])
            let size = try await fixture.volumes.resize("db", to: "2048M")
            #expect(size.normal == "2GiB")
            let volume = try await fixture.restarted().volumes.describe("db").volume
            #expect(volume?.options.size == size)
            #expect(volume?.state == ["made": "yes", "resized": "2GiB"])
        }
    }

    /// A compose file goes on saying what it said when the volume was created.
    @Test func isStillTheVolumeThatWasAskedFor() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: ["size": "1G"])
            for size in ["2G", "3G"] { _ = try await fixture.volumes.resize("db", to: size) }
            let volumes = await fixture.restarted().volumes
            try await volumes.create("db", options: ["size": "1G"])
            try await volumes.create("db", options: ["size": "3G"])
            let error = await #expect(throws: VolumeError.self) {
                try await volumes.create("db", options: ["size": "2G"])
            }
            #expect(error?.message.contains("size is '3GiB', asked for '2GiB'") == true)
        }
    }

    @Test func aFailureLeavesTheSizeAsItWas() async throws {
        let driver = RecordingDriver(failing: [.resize("db")])
        try await withVolumeManager(drivers: [driver]) { fixture in
            try await fixture.volumes.create("db", options: ["size": "1G"])
            await #expect(throws: VolumeError.self) { try await fixture.volumes.resize("db", to: "2G") }
            for volumes in [fixture.volumes, await fixture.restarted().volumes] {
                let size = try volumes.describe("db").volume?.options.size
                #expect(size == ByteSize("1G"))
            }
        }
    }

    /// After a crash the record must not say less than what may be there.
    @Test(arguments: [("2G", "2GiB"), ("512M", "1GiB")])
    func theRecordNeverSaysLessThanTheStorageHolds(size: String, recorded: String) async throws {
        let driver = RecordingDriver()
        try await withVolumeManager(drivers: [driver]) { fixture in
            try await fixture.volumes.create("db", options: ["size": "1G"])
            let gate = driver.hold(.resize("db"))
            let resizing = Task { try await fixture.volumes.resize("db", to: size) }
            while driver.calls.last != .resize("db") { await Task.yield() }
            let seen = try await fixture.restarted().volumes.describe("db").volume?.options["size"]
            #expect(seen == recorded)
            gate.finish()
            _ = try await resizing.value
        }
    }

    @Test(arguments: [("db", "lots"), ("db", "0"), ("db", "-1G"), ("other", "1G"), ("", "1G")])
    func refusesWhatMakesNoSense(name: String, size: String) async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: ["size": "1G"])
            await #expect(throws: VolumeError.self) { try await fixture.volumes.resize(name, to: size) }
        }
    }
}
