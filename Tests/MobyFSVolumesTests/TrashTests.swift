// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@testable import MobyFSVolumes

/// What becomes of removed volumes.
@Suite struct TrashTests {
    private func withRemoved(
        _ options: [String: String] = ["on-remove": "trash"], _ body: (ManagerFixture) async throws -> Void
    ) async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.remove("db", options)
            try await body(fixture)
        }
    }

    @Test func givesAVolumeBackAsItWas() async throws {
        try await withRemoved(["on-remove": "trash", "colour": "red", "trash-retention": "28d"]) { fixture in
            let item = try #require(try await fixture.volumes.trashed().first)
            #expect(item.volume.name.description == "db")
            #expect(item.volume.options["trash-retention"] == "4w")
            let removedAt = try #require(item.removedAt)
            #expect(item.expiresAt == removedAt.addingTimeInterval(28 * 86400))
            #expect(abs(removedAt.timeIntervalSinceNow) < 60)

            let name = try await fixture.volumes.restoreFromTrash("db")
            #expect(name.description == "db")
            #expect(try fixture.volumes.describe("db").volume?.options["colour"] == "red")
            #expect(try fixture.pool.appending("volumes/db/data/file").text == "of db")
            let left = try await fixture.volumes.trashed()
            #expect(left.isEmpty)
            #expect(try await fixture.restarted().volumes.describe("db").volume?.options["colour"] == "red")
        }
    }

    @Test func givesItBackUnderAnotherNameWhereItsOwnIsTaken() async throws {
        try await withRemoved { fixture in
            try await fixture.volumes.create("db", options: nil)
            let refusal = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.restoreFromTrash("db")
            }
            #expect(refusal?.code == .alreadyExists && refusal?.message.contains("--as NAME") == true)
            let name = try await fixture.volumes.restoreFromTrash("db", as: "other")
            #expect(name.description == "other")
            #expect(try fixture.pool.appending("volumes/other/data/file").text == "of db")
            #expect(try await fixture.restarted().volumes.describe("other").volume?.name.description == "other")
        }
    }

    @Test func asksWhichOneIsMeantOfSeveral() async throws {
        try await withRemoved { fixture in
            try await fixture.remove("db", ["on-remove": "trash"])
            let ids = try await fixture.volumes.trashed().map(\.id)
            #expect(Set(ids).count == 2)
            let refusal = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.restoreFromTrash("db")
            }
            #expect(ids.allSatisfy { refusal?.message.contains($0) == true })
            _ = try await fixture.volumes.restoreFromTrash(ids[1])
            let left = try await fixture.volumes.trashed().map(\.id)
            #expect(left == [ids[0]])
        }
    }

    @Test(arguments: ["other", "../volumes/db", "", "db.20260101T000000Z-1"])
    func saysThatThereIsNoSuchThing(text: String) async throws {
        try await withRemoved { fixture in
            let volumes = fixture.volumes
            for call in [
                { _ = try await volumes.restoreFromTrash(text) }, { _ = try await volumes.deleteFromTrash([text]) },
            ] as [() async throws -> Void] {
                let refusal = await #expect(throws: VolumeError.self) { try await call() }
                #expect(refusal?.code == .notFound && refusal?.message.contains("'\(text)'") == true)
            }
        }
    }

    @Test func deletesWhatIsToGoAndNothingElse() async throws {
        try await withRemoved { fixture in
            try await fixture.remove("other", ["on-remove": "trash"])
            let condemned = try await fixture.volumes.deleteFromTrash(["db"])
            #expect(condemned.count == 1)
            try fixture.emptyTrash(leaving: 1)
            let left = try await fixture.volumes.trashed().map(\.volume.name.description)
            #expect(left == ["other"])
            let young = try await fixture.volumes.deleteFromTrash([], removedBefore: .now - 3600)
            #expect(young.isEmpty)
            _ = try await fixture.volumes.deleteFromTrash([])
            try fixture.emptyTrash(leaving: 0)
        }
    }

    @Test func deletesWhatWasKeptLongEnough() async throws {
        try await withRemoved(["on-remove": "trash", "trash-retention": "2h"]) { fixture in
            let trash = fixture.volumes.store.trash
            try trash.condemnExpired(at: .now + 7000)
            trash.empty()
            #expect(try trash.items().count == 1)
            try trash.condemnExpired(at: .now + 7300)
            #expect(try trash.items().map(\.fate) == [.goes])
            let restorable = try await fixture.volumes.trashed()
            #expect(restorable.isEmpty)
            trash.empty()
            let left = try Directories.entries(of: fixture.pool.appending("trash"))
            #expect(left.isEmpty)
        }
    }

    @Test func isEmptiedByManyAtOnce() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            for number in 0..<20 { try await fixture.remove("v\(number)", ["on-remove": "trash"]) }
            let ids = try await withThrowingTaskGroup(of: [String].self) { group in
                for _ in 0..<8 { group.addTask { try await fixture.volumes.deleteFromTrash([]) } }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(ids.count == 20 && Set(ids).count == 20)
        }
    }

    @Test func takesTheLongestNames() async throws {
        let name = String(repeating: "n", count: 255)
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            for name in [name, "short"] { try await fixture.remove(name, ["on-remove": "trash"]) }
            let ids = try await fixture.volumes.deleteFromTrash([])
            #expect(ids.count == 2)
            fixture.volumes.store.trash.empty()
            #expect(try Directories.entries(of: fixture.pool.appending("trash")).isEmpty)
        }
    }

    @Test func anIDMeansNoVolumeThatIsCalledSo() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.remove("db", ["on-remove": "trash"])
            let id = try #require(try await fixture.volumes.trashed().first?.id)
            try await fixture.remove(id, ["on-remove": "trash"])
            #expect(try await fixture.volumes.deleteFromTrash([id]) == [id])
            let left = try await fixture.volumes.trashed().map(\.volume.name.description)
            #expect(left == [id])
        }
    }

    // MARK: - Prune

    @Test func prunesWhatNobodyHoldsAndLosesNothing() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            for name in ["free", "held"] { try await fixture.volumes.create(name, options: nil) }
            try await fixture.volumes.create("protected", options: ["protected": "true"])
            try await fixture.volumes.create("kept", options: ["on-remove": "keep"])
            _ = try await fixture.volumes.mount("held", id: "i", for: nil)
            let planned = try await fixture.volumes.prune(isTrial: true).pruned
            #expect(planned.map(\.description) == ["free", "kept"])
            #expect(fixture.volumes.counts.volumes == 4)

            let pruned = try await fixture.volumes.prune(isTrial: false).pruned
            #expect(pruned == planned)
            #expect(try fixture.volumes.describeAll().map(\.name.description) == ["held", "protected"])
            #expect(fixture.pool.appending("volumes/kept/record.json").exists)
            // Not even after a restart is it deleted, and it comes back without a trace.
            let restarted = await fixture.restarted()
            try await restarted.remove("gone", [:])
            try restarted.emptyTrash(leaving: 1)
            _ = try await restarted.volumes.restoreFromTrash("free")
            #expect(try restarted.volumes.describe("free").volume?.options.values == [:])
            try await restarted.volumes.create("free", options: [:])
        }
    }
}

extension ManagerFixture {
    /// Creates a volume with a file in it, and removes it.
    fileprivate func remove(_ name: String, _ options: [String: String]) async throws {
        try await volumes.create(name, options: options)
        let data = pool.appending("volumes/\(name)/data")
        try Directories.create(data, mode: 0o755)
        try data.appending("file").write("of \(name)")
        try await volumes.remove(name)
    }

    /// Deletes what is to go, after which so many are left.
    fileprivate func emptyTrash(leaving count: Int) throws {
        volumes.store.trash.empty()
        let left = try Directories.entries(of: pool.appending("trash")).count
        #expect(left == count)
    }
}
