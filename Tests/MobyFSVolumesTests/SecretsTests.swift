// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

@Suite struct SecretsTests {
    private static let info = DriverInfo(
        name: "locked", summary: "for tests", options: [OptionInfo("password", .text, "a secret", isSecret: true)])

    private func withVolume(_ body: (ManagerFixture) async throws -> Void) async throws {
        try await withVolumeManager(drivers: [RecordingDriver(info: Self.info)]) { fixture in
            try await fixture.volumes.create("db", options: ["password": "hunter2"])
            try await body(fixture)
        }
    }

    @Test func areKeptApartFromTheRecordForRootAlone() async throws {
        try await withVolume { fixture in
            let directory = fixture.pool.appending("volumes/db")
            #expect(try !directory.appending("record.json").text.contains("hunter2"))
            #expect(try directory.appending("secrets.json").text.contains("hunter2"))
            #expect(directory.appending("secrets.json").attributes.mode == 0o600)
            let described = try await fixture.restarted().volumes.describe("db")
            #expect(!"\(described)".contains("hunter2"))
            #expect(described.volume?.options["password"] == "***")
            #expect(described.warning?.contains("credentials=FILE") == true)
        }
    }

    @Test func anotherPasswordIsAnotherWish() async throws {
        try await withVolume { fixture in
            try await fixture.volumes.create("db", options: ["password": "hunter2"])
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("db", options: ["password": "hunter3"])
            }
            #expect(error?.message.contains("another password") == true)
            #expect(error?.message.contains("hunter") == false)
        }
    }

    @Test func withoutThemTheVolumeIsThereButNotMounted() async throws {
        try await withVolume { fixture in
            try Files.unlink(fixture.pool.appending("volumes/db/secrets.json"))
            let volumes = await fixture.restarted().volumes
            let error = await #expect(throws: VolumeError.self) { try await volumes.mount("db", id: "i", for: nil) }
            #expect(error?.code == .unavailable)
            #expect(try volumes.describe("db").trouble?.contains("password") == true)
        }
    }
}
