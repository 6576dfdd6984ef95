// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// Other options and another name for a volume that exists.
@Suite struct ChangingTests {
    private func withVolume(
        _ body: (ManagerFixture, RecordingDriver) async throws -> Void
    ) async throws {
        let driver = RecordingDriver()
        try await withVolumeManager(drivers: [driver]) { fixture in
            try await fixture.volumes.create("db", options: ["colour": "red", "mode": "0700"])
            try await body(fixture, driver)
        }
    }

    private func options(_ fixture: ManagerFixture) throws -> [String: String]? {
        try fixture.volumes.describe("db").volume?.options.values
    }

    // MARK: - Options

    @Test func changesAddsAndTakesAway() async throws {
        try await withVolume { fixture, driver in
            try await fixture.volumes.change("db", ["protected": "yes", "mode": "", "on-remove": "TRASH"])
            let expected = ["colour": "red", "protected": "true", "on-remove": "trash"]
            let (now, later) = (try options(fixture), try options(await fixture.restarted()))
            #expect(now == expected && later == expected)
            // Nobody holds it: the next Mount will do.
            #expect(!driver.calls.contains(.mount("db")))
        }
    }

    @Test func setsOwnerAndModeAtOnceWhereSomebodyHoldsIt() async throws {
        try await withVolume { fixture, driver in
            _ = try await fixture.volumes.mount("db", id: "i", for: nil)
            try await fixture.volumes.change("db", ["mode": "0750"])
            #expect(driver.calls.filter { $0 == .mount("db") }.count == 2)
        }
    }

    @Test(arguments: [
        (["size": "1G"], "mobyfs volume resize db"), (["colour": "blue"], "from=db"), (["colr": "x"], "unknown option"),
        (["mode": "999"], "octal"), (["driver": "other"], "cannot be changed"), (["trash-retention": "1"], "30d"),
    ])
    func refusesWhatCannotBe(changes: [String: String], words: String) async throws {
        try await withVolume { fixture, _ in
            let refusal = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.change("db", changes.merging(["protected": "true"]) { $1 })
            }
            #expect(refusal?.message.contains(words) == true, "\(refusal?.message ?? "")")
            let left = try options(fixture)
            #expect(left == ["colour": "red", "mode": "0700"])
        }
    }

    @Test func aProtectedVolumeSaysHowItIsRemovedAndThenCanBe() async throws {
        try await withVolume { fixture, _ in
            try await fixture.volumes.change("db", ["protected": "true"])
            let refusal = await #expect(throws: VolumeError.self) { try await fixture.volumes.remove("db") }
            #expect(refusal?.message.contains("mobyfs volume set db protected=false") == true)
            try await fixture.volumes.change("db", ["protected": "false"])
            try await fixture.volumes.remove("db")
        }
    }

    // MARK: - Names

    @Test func hasAllThatItHadUnderAnotherName() async throws {
        try await withVolume { fixture, _ in
            try Directories.create(fixture.pool.appending("volumes/db/data"), mode: 0o755)
            try fixture.pool.appending("volumes/db/data/file").write("precious")
            try await fixture.volumes.rename("db", to: "new")
            for volumes in [fixture.volumes, await fixture.restarted().volumes] {
                #expect(try volumes.describeAll().map(\.name.description) == ["new"])
                #expect(try volumes.describe("new").volume?.options["colour"] == "red")
            }
            #expect(try fixture.pool.appending("volumes/new/data/file").text == "precious")
            #expect(try fixture.pool.appending("volumes/new/record.json").text.contains(#""name" : "new""#))
        }
    }

    @Test(arguments: [("taken", "there is a volume 'taken'"), ("kept", "was kept"), ("../x", "no name for a volume")])
    func refusesNamesThatItCannotHave(name: String, words: String) async throws {
        try await withVolume { fixture, _ in
            try await fixture.volumes.create("taken", options: nil)
            try await fixture.volumes.create("kept", options: ["on-remove": "keep"])
            try await fixture.volumes.remove("kept")
            let refusal = await #expect(throws: VolumeError.self) { try await fixture.volumes.rename("db", to: name) }
            #expect(refusal?.message.contains(words) == true, "\(refusal?.message ?? "")")
            let left = try options(fixture)
            #expect(left?["colour"] == "red")
        }
    }

    @Test func isNotRenamedUnderSomebodyWhoHoldsIt() async throws {
        try await withVolume { fixture, _ in
            _ = try await fixture.volumes.mount("db", id: "i", for: nil)
            let refusal = await #expect(throws: VolumeError.self) { try await fixture.volumes.rename("db", to: "new") }
            #expect(refusal?.code == .inUse)
        }
    }

    @Test func renamesCrosswiseEndWell() async throws {
        try await withVolume { fixture, _ in
            try await fixture.volumes.create("other", options: nil)
            await withTaskGroup { group in
                for _ in 0..<20 {
                    // One of them may win; none of them waits for ever.
                    group.addTask { try? await fixture.volumes.rename("db", to: "other") }
                    group.addTask { try? await fixture.volumes.rename("other", to: "db") }
                }
            }
            #expect(fixture.volumes.counts.volumes == 2)
        }
    }
}
