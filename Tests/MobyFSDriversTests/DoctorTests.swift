// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import Synchronization
import SystemPackage
import Testing

@testable import MobyFSVolumes

/// What is found in a pool, and what becomes of it.
@Suite struct DoctorTests {
    private static let drivers: [any VolumeDriver] = [DirectoryDriver(reserved: []), ImageDriver()]

    private func withVolume(
        _ options: [String: String]? = nil, _ body: (ManagerFixture, _ directory: FilePath) async throws -> Void
    ) async throws {
        try await withVolumeManager(drivers: Self.drivers) { fixture in
            try await fixture.volumes.create("db", options: options)
            let directory = fixture.pool.appending("volumes/db")
            try directory.appending("data/file").write("precious")
            try await body(fixture, directory)
        }
    }

    /// Finds one thing, repairs it, and finds nothing any more.
    private func repair(_ kind: Finding.Kind, in fixture: ManagerFixture) async throws {
        let findings = try await fixture.volumes.findings()
        try #require(findings.map(\.kind) == [kind], "\(findings)")
        try await fixture.volumes.repair(findings[0].id)
        let left = try await fixture.volumes.findings()
        #expect(left.isEmpty, "\(left)")
        await #expect(throws: VolumeError.self) { try await fixture.volumes.repair(findings[0].id) }
    }

    @Test func findsNothingWhereAllIsInOrder() async throws {
        try await withVolume(["mode": "0700"]) { fixture, _ in
            _ = try await fixture.volumes.snapshot("db")
            try await fixture.volumes.create("gone", options: ["on-remove": "trash"])
            try await fixture.volumes.remove("gone")
            let findings = try await fixture.restarted().volumes.findings()
            #expect(findings.isEmpty, "\(findings)")
        }
    }

    /// Whoever follows the advice for a volume that is only on its way to another name would lose it.
    @Test func findsNothingInWhatIsBeingChanged() async throws {
        try await withVolume { fixture, _ in
            let volumes = fixture.volumes
            let isOver = Atomic(false)
            async let changes: Void = {
                defer { isOver.store(true, ordering: .relaxed) }
                for number in 0..<50 {
                    try await volumes.rename("db", to: "other")
                    try await volumes.rename("other", to: "db")
                    try await volumes.create("new\(number)", options: nil)
                    try await volumes.remove("new\(number)")
                }
            }()
            var findings: [Finding] = []
            while !isOver.load(ordering: .relaxed) { findings += try await volumes.findings() }
            try await changes
            #expect(findings.isEmpty, "\(findings)")
        }
    }

    @Test func servesAVolumeAgainWithoutARestart() async throws {
        try await withVolume(["mode": "0700"]) { first, directory in
            let good = try directory.appending("record.json").text
            try directory.appending("record.json").write("{")
            let fixture = await first.restarted()
            let place = fixture.pool.appending("quarantine/db")
            try place.appending("record.json").write(good)
            try await repair(.record, in: fixture)
            #expect(try fixture.volumes.describe("db").volume?.options["mode"] == "0700")
            #expect(try await fixture.volumes.mount("db", id: "c", for: nil).appending("file").text == "precious")
            #expect(!directory.appending("reason.txt").exists)
        }
    }

    @Test func putsTheCopyInThePlaceOfARecord() async throws {
        try await withVolume(["mode": "0700"]) { first, directory in
            // What was changed last counts.
            try await first.volumes.change("db", ["mode": "0750", "protected": "true"])
            try Files.unlink(directory.appending("record.json"))
            let fixture = await first.restarted()
            #expect(try fixture.volumes.describe("db").trouble != nil)
            try await repair(.record, in: fixture)
            let options = try await fixture.restarted().volumes.describe("db").volume?.options.values
            #expect(options == ["mode": "0750", "protected": "true"])
        }
    }

    @Test func theManualShowsWhatIsSaidOfARecordThatIsCutOff() async throws {
        let package = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
        let page = try package.appending("packaging/man/mobyfs-doctor.8").text
        try await withVolume(["mode": "0700"]) { first, directory in
            let record = directory.appending("record.json")
            try record.write(String(record.text.prefix(40)))
            let findings = try await first.restarted().volumes.findings()
            let finding = try #require(findings.first)
            for outcome in ["would", "done:"] {
                let lines = "db (record): \(finding.reason)\n    \(outcome) \(finding.advice)\n"
                #expect(page.contains(lines), "\(lines)")
            }
        }
    }

    /// Whoever deletes it by mistake has lost nothing as long as the daemon runs.
    @Test(arguments: [["record.json", "record.json.copy"], ["record.json"]])
    func writesARecordAsItIsInMemory(lost: [String]) async throws {
        let options = ["mode": "0700", "on-remove": "trash", "protected": "true", "snapshot-schedule": "daily"]
        try await withVolume(options) { fixture, directory in
            for name in lost { try Files.unlink(directory.appending(name)) }
            let advice = try await fixture.volumes.findings().first?.advice
            #expect(advice?.contains("as mobyfs has it in memory: driver=directory mode=0700") == true)
            try await repair(.record, in: fixture)
            let read = try await fixture.restarted().volumes.describe("db").volume
            #expect(read?.options.values == options)
            #expect(read?.isAdopted == false)
        }
    }

    /// A folder that was exchanged by hand is not what is in memory.
    @Test(.enabled(if: ImageTests.canRun, ImageTests.requirement))
    func aRecordInMemoryIsNotWrittenForOtherData() async throws {
        try await withImageVolumes { fixture in
            try await fixture.volumes.create("db", options: ["fs": "ext4", "size": "32MiB"])
            for name in ["record.json", "record.json.copy"] {
                try Files.unlink(fixture.pool.appending("volumes/db/\(name)"))
            }
            try Files.unlink(fixture.image("db").path)
            let findings = try await fixture.volumes.findings()
            #expect(findings.map(\.kind) == [.record])
            #expect(findings.first?.isRepairable == false)
        }
    }

    @Test func aRecordOfAnotherVolumeIsNotServed() async throws {
        try await withVolume(["mode": "0700"]) { first, directory in
            try await first.volumes.create("other", options: ["mode": "0711"])
            try directory.appending("record.json").write(first.pool.appending("volumes/other/record.json").text)
            let fixture = await first.restarted()
            #expect(try fixture.volumes.describe("db").trouble?.contains("another volume, 'other'") == true)
            try await repair(.record, in: fixture)
            #expect(try fixture.volumes.describe("db").volume?.options["mode"] == "0700")
            #expect(try fixture.volumes.describe("other").volume?.options["mode"] == "0711")
        }
    }

    /// As a restore from a backup brings it, while the daemon runs.
    @Test func servesAFolderThatWasPutThere() async throws {
        try await withVolume(["mode": "0700"]) { fixture, directory in
            try await fixture.volumes.create("other", options: nil)
            let backup = fixture.root.appending("backup")
            try Files.rename(directory, to: backup)
            try await fixture.volumes.remove("db")
            try Files.rename(backup, to: directory)
            try await repair(.record, in: fixture)
            #expect(try await fixture.volumes.mount("db", id: "c", for: nil).appending("file").text == "precious")
        }
    }

    /// Before a container needs it.
    @Test(.enabled(if: ImageTests.canRun, ImageTests.requirement))
    func tellsOfAnImageThatIsNone() async throws {
        try await withImageVolumes { fixture in
            try await fixture.volumes.create("db", options: ["fs": "ext4", "size": "32MiB"])
            let well = try await fixture.volumes.findings()
            #expect(well.isEmpty, "\(well)")
            let bytes = try fixture.image("db").bytes
            try fixture.image("db").path.write("")
            try fixture.image("db").grow(to: bytes, isAllocated: false, until: .now + .seconds(60))
            let findings = try await fixture.volumes.findings()
            #expect(findings.map(\.kind) == [.data])
            #expect(findings.first?.reason.contains("no ext4 in its image") == true)
            #expect(findings.first?.advice.contains("e2fsck") == true)
        }
    }

    @Test func movesASuccessorsPredecessorIntoTheTrash() async throws {
        try await withVolume { first, directory in
            try directory.appending("record.json").write("{")
            let second = await first.restarted()
            try Directories.create(directory.appending("data"), mode: 0o755)
            let record = try VolumeRecord.encode(
                Volume(name: VolumeName("db"), driver: "directory", options: VolumeOptions(checked: ["mode": "0711"])))
            try directory.appending("record.json").write(String(decoding: record, as: UTF8.self))
            let fixture = await second.restarted()
            #expect(try fixture.volumes.describe("db").trouble == nil)
            try await repair(.quarantine, in: fixture)
            let restored = try await fixture.volumes.restoreFromTrash("db", as: "old")
            #expect(try await fixture.volumes.mount("old", id: "c", for: nil).appending("file").text == "precious")
            #expect(restored.description == "old")
        }
    }

    @Test func datesASnapshotAnew() async throws {
        try await withVolume { fixture, directory in
            _ = try await fixture.volumes.snapshot("db", as: "first")
            try directory.appending("snapshots/first/snapshot.json").write("")
            let hidden = try await fixture.volumes.snapshots(of: "db")
            #expect(hidden.isEmpty)
            try await repair(.snapshot, in: fixture)
            let names = try await fixture.volumes.snapshots(of: "db").map(\.name.description)
            #expect(names == ["first"])
        }
    }

    /// A repair that has a removed volume deleted would be none.
    @Test(arguments: [true, false])
    func listsARemovedVolumeThatHadNoRecord(hasCopy: Bool) async throws {
        try await withVolume(["on-remove": "trash", "mode": "0700"]) { fixture, directory in
            try await fixture.volumes.remove("db")
            let trash = fixture.pool.appending("trash")
            let entry = trash.appending(try #require(try Directories.entries(of: trash).first))
            try entry.appending("record.json").write("{")
            if !hasCopy { try entry.appending("record.json.copy").write("") }
            let unknown = try await fixture.volumes.trashed()
            #expect(unknown.isEmpty)
            try await repair(.trash, in: fixture)
            fixture.volumes.store.trash.empty()
            _ = try await fixture.volumes.restoreFromTrash("db")
            #expect(try directory.appending("data/file").text == "precious")
            #expect(try fixture.volumes.describe("db").volume?.options["mode"] == (hasCopy ? "0700" : nil))
        }
    }

    /// Where the repair fails, or a crash cuts it off, it alone says what was asked for.
    @Test(.enabled(if: Machine.isRoot, "mounting needs root"), arguments: [false, true])
    func theCopyStaysUntilTheRecordIsThere(isRemoved: Bool) async throws {
        try await withVolume(["on-remove": "trash", "mode": "0700"]) { first, directory in
            if isRemoved { try await first.volumes.remove("db") }
            let trash = first.pool.appending("trash")
            let removed = try Directories.entries(of: trash).first.map { trash.appending($0) }
            try (removed ?? directory).appending("record.json").write("{")
            let fixture = await first.restarted()
            let place = removed ?? fixture.pool.appending("quarantine/db")
            let (record, copy) = (place.appending("record.json"), place.appending("record.json.copy"))
            let good = try copy.text
            let id = try #require(try await fixture.volumes.findings().first?.id)
            // Nothing can be renamed over a mountpoint.
            try Mounts.bind(record, at: record)
            defer { try? Mounts.unmount(record, detaching: true) }
            await #expect(throws: (any Error).self) { try await fixture.volumes.repair(id) }
            #expect(try copy.text == good)

            try Mounts.unmount(record, detaching: true)
            try await repair(isRemoved ? .trash : .record, in: fixture)
            if isRemoved { _ = try await fixture.volumes.restoreFromTrash("db") }
            #expect(try fixture.volumes.describe("db").volume?.options["mode"] == "0700")
        }
    }

    @Test func aFolderInThePlaceOfARemovedVolumesRecordIsKept() async throws {
        try await withVolume(["on-remove": "trash", "mode": "0700"]) { fixture, directory in
            try await fixture.volumes.remove("db")
            let trash = fixture.pool.appending("trash")
            let record = trash.appending(try #require(try Directories.entries(of: trash).first))
                .appending("record.json")
            try Files.unlink(record)
            try Directories.create(record, mode: 0o755)
            try record.appending("file").write("somebody's")
            try await repair(.trash, in: fixture)
            _ = try await fixture.volumes.restoreFromTrash("db")
            #expect(try fixture.volumes.describe("db").volume?.options["mode"] == "0700")
            #expect(try directory.appending("record.json.damaged/file").text == "somebody's")
        }
    }

    /// The disk may be well again, or a later mobyfs may be installed: until then, nobody knows what the record says.
    @Test(.enabled(if: Machine.isRoot, "mounting needs root"), arguments: [true, false], [true, false])
    func aRecordThatMayBeGoodIsLeftAlone(isRemoved: Bool, isLater: Bool) async throws {
        try await withVolume(["on-remove": "trash", "mode": "0700"]) { first, directory in
            if isRemoved { try await first.volumes.remove("db") }
            let trash = first.pool.appending("trash")
            let removed = try Directories.entries(of: trash).first.map { trash.appending($0) }
            let record = (removed ?? directory).appending("record.json")
            // In the place of what it says, the kernel gives EIO at the beginning of a process's memory.
            let source = isLater ? first.root.appending("later") : "/proc/self/mem"
            if isLater { try source.write("{\"version\":2}") }
            try Mounts.bind(source, at: record)
            defer { try? Mounts.unmount(record, detaching: true) }
            let fixture = await first.restarted()
            let findings = try await fixture.volumes.findings()
            #expect(findings.map(\.kind) == [isRemoved ? .trash : .record])
            let finding = try #require(findings.first)
            #expect(!finding.isRepairable, "\(finding)")
            #expect(finding.advice.contains(isLater ? "install the mobyfs" : "see to the disk"))
            await #expect(throws: VolumeError.self) { try await fixture.volumes.repair(finding.id) }

            try Mounts.unmount(record, detaching: true)
            if isRemoved { _ = try await fixture.volumes.restoreFromTrash("db") }
            let options = try await fixture.restarted().volumes.describe("db").volume?.options
            #expect(options?["mode"] == "0700")
        }
    }

    @Test func whatWasSetAsideAndIsOfALaterVersionIsLeftAlone() async throws {
        try await withVolume { first, directory in
            try directory.appending("record.json").write("{")
            let second = await first.restarted()
            let place = second.pool.appending("quarantine/db")
            let later = "{\"version\":2}"
            try place.appending("record.json").write(later)
            try Directories.create(directory.appending("data"), mode: 0o755)
            try directory.appending("record.json").write(place.appending("record.json.copy").text)
            let fixture = await second.restarted()
            let findings = try await fixture.volumes.findings()
            #expect(findings.map(\.kind) == [.quarantine])
            #expect(findings.first?.isRepairable == false, "\(findings)")
            #expect(findings.first?.advice == "install the mobyfs that has written it")
        }
    }

    @Test func putsDataBackThatARestoreHasLeftOutOfPlace() async throws {
        try await withVolume { first, directory in
            let staging = directory.appending("snapshots/.new-1")
            try Directories.create(staging.appending("data"), mode: 0o755)
            try Files.rename(directory.appending("data"), to: staging.appending("data.old"))
            let fixture = await first.restarted()
            try await repair(.data, in: fixture)
            #expect(try directory.appending("data/file").text == "precious")
            #expect(try fixture.volumes.describe("db").trouble == nil)
        }
    }

    @Test func missingDataComesBackFromASnapshot() async throws {
        try await withVolume { first, directory in
            _ = try await first.volumes.snapshot("db", as: "good")
            try TreeRemover.remove(directory.appending("data"))
            let fixture = await first.restarted()
            let findings = try await fixture.volumes.findings()
            #expect(findings.map(\.kind) == [.data])
            #expect(findings.first?.advice.contains("mobyfs volume restore db good") == true)
            try await fixture.volumes.restore("db", from: "good")
            #expect(try directory.appending("data/file").text == "precious")
            #expect(try fixture.volumes.describe("db").trouble == nil)
            let left = try await fixture.volumes.findings()
            #expect(left.isEmpty)
        }
    }

    /// Errors lead to the doctor; what it says itself leads to nothing else.
    @Test(arguments: ["data", "record"])
    func doesNotSendAnybodyToItself(damaged: String) async throws {
        try await withVolume { first, directory in
            let record = directory.appending("record.json")
            let good = try record.text
            if damaged == "data" {
                try TreeRemover.remove(directory.appending("data"))
            } else {
                try record.write("{")
            }
            let fixture = await first.restarted()
            if damaged == "record" { try fixture.pool.appending("quarantine/db/record.json").write(good) }
            #expect(try fixture.volumes.describe("db").trouble?.contains("mobyfs doctor") == true)
            let findings = try await fixture.volumes.findings()
            #expect(findings.map(\.kind.rawValue) == [damaged])
            #expect(findings.allSatisfy { !$0.reason.contains("mobyfs doctor") }, "\(findings)")
        }
    }

    /// Not only from the next start on.
    @Test func howFullAVolumeIsIsNotSaidOfMissingData() async throws {
        try await withVolume { fixture, directory in
            try TreeRemover.remove(directory.appending("data"))
            let report = try #require(try await fixture.volumes.usage(of: ["db"]).first)
            let error = #expect(throws: VolumeError.self) { try report.usage.get() }
            #expect(error?.code == .unavailable)
            let words = "its data is gone: there is no '\(directory)/data'; see 'mobyfs doctor'"
            #expect(error?.description == words)
        }
    }

    @Test func missingDataIsToldOfAndNotReplacedByNothing() async throws {
        try await withVolume(["on-remove": "keep"]) { first, directory in
            try TreeRemover.remove(directory.appending("data"))
            let fixture = await first.restarted()
            #expect(try fixture.volumes.describe("db").trouble?.contains("gone") == true)
            await #expect(throws: VolumeError.self) { try await fixture.volumes.mount("db", id: "c", for: nil) }
            try await fixture.volumes.remove("db")
            // Kept data that is not there is no empty volume either.
            await #expect(throws: VolumeError.self) { try await fixture.volumes.create("db", options: nil) }
            #expect(!directory.appending("data").exists)
        }
    }

    @Test func aLinkInThePlaceOfTheDataIsNotFollowed() async throws {
        try await withVolume(["mode": "0700"]) { fixture, directory in
            let outside = fixture.root.appending("outside")
            try Directories.create(outside, mode: 0o755)
            try Files.rename(directory.appending("data"), to: fixture.root.appending("away"))
            try check(symlink(outside.string, directory.appending("data").string), "symlink")
            await #expect(throws: VolumeError.self) { try await fixture.volumes.mount("db", id: "c", for: nil) }
            #expect(outside.attributes.mode == 0o755)
        }
    }

    @Test func tellsOfWhatIsDatedInTheFuture() async throws {
        try await withVolume { first, directory in
            let record = directory.appending("record.json")
            try record.edit { $0.replacing("\"createdAt\" : \"20", with: "\"createdAt\" : \"21") }
            let fixture = await first.restarted()
            let findings = try await fixture.volumes.findings()
            #expect(findings.map(\.kind) == [.clock])
            await #expect(throws: VolumeError.self) { try await fixture.volumes.repair(findings[0].id) }
            #expect(try fixture.volumes.describe("db").trouble == nil)
        }
    }

    @Test(.enabled(if: ImageTests.canRun, ImageTests.requirement), arguments: ["ext4", "xfs"])
    func takesUpAnImageByWhatItLooksLike(fs: String) async throws {
        try await withImageVolumes { first in
            try await first.volumes.create("db", options: ["fs": fs, "size": ImageTests.sizes[fs] ?? ""])
            let path = try await first.volumes.mount("db", id: "c", for: nil)
            try path.appending("file").write("precious")
            try await first.volumes.unmount("db", id: "c")
            for name in ["record.json", "record.json.copy"] {
                try Files.unlink(first.pool.appending("volumes/db/\(name)"))
            }
            let fixture = await first.restarted()
            try await repair(.record, in: fixture)
            #expect(try fixture.volumes.describe("db").volume?.options["fs"] == fs)
            let data = try await fixture.volumes.mount("db", id: "c", for: nil)
            #expect(try data.appending("file").text == "precious")
            try await fixture.volumes.unmount("db", id: "c")
        }
    }

    /// Else the newest would go first for as long as there are snapshots from the future.
    @Test func snapshotsFromTheFutureGoFirst() async throws {
        try await withVolume(["snapshot-schedule": "hourly", "snapshot-keep": "2"]) { fixture, _ in
            let now = Date.now
            for hours in [1000.0, 1002] {
                _ = try await fixture.volumes.makeScheduledSnapshots(at: now + hours * 3600)
            }
            var made: [VolumeName] = []
            for hours in 0..<3 {
                let outcome = try await fixture.volumes.makeScheduledSnapshots(at: now + Double(hours) * 3600)
                made += try outcome.values.map { try $0.get() }
            }
            try #require(made.count == 3)
            let left = try await fixture.volumes.snapshots(of: "db").map(\.name)
            #expect(left == Array(made.dropFirst()))
        }
    }
}
