// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

@Suite struct VolumeStoreTests {
    /// One damaged record takes no other down, and its name stays taken.
    @Test(arguments: [
        "{\"version\":1,\"driv", "", "\u{0}\u{0}", "[]", "{}",
        "{\"version\":1,\"name\":\"db\",\"driver\":\"recording\",\"options\":{},\"createdAt\":\"yesterday\"}",
    ])
    func setsADamagedRecordAsideWithAReason(content: String) async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            try await fixture.volumes.create("other", options: nil)
            try fixture.pool.appending("volumes/db/record.json").write(content)

            for _ in 0..<2 {
                let volumes = await fixture.restarted().volumes
                #expect(volumes.counts.volumes == 2)
                #expect(try volumes.describe("other").trouble == nil)
                #expect(try volumes.describe("db").trouble?.contains("quarantine/db") == true)
                await #expect(throws: VolumeError.self) { try await volumes.mount("db", id: "c", for: nil) }
                await #expect(throws: VolumeError.self) { try await volumes.create("db", options: nil) }
                await #expect(throws: VolumeError.self) { try await volumes.remove("db") }
            }
            #expect(try fixture.pool.appending("quarantine/db/reason.txt").text.isEmpty == false)
            #expect(try fixture.pool.appending("quarantine/db/record.json").text == content)
        }
    }

    /// It is listed: nobody is to be told that there is none.
    @Test func whatIsSetAsideIsThereForAllThatIsAskedOfIt() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            try fixture.pool.appending("volumes/db/record.json").write("{")
            let volumes = await fixture.restarted().volumes
            let calls: [(String, @Sendable () async throws -> Void)] = [
                ("remove", { try await volumes.remove("db") }),
                ("rename", { try await volumes.rename("db", to: "new") }),
                ("resize", { _ = try await volumes.resize("db", to: "1G") }),
                ("change", { try await volumes.change("db", ["protected": "true"]) }),
                ("snapshot", { _ = try await volumes.snapshot("db") }),
                ("snapshots", { _ = try await volumes.snapshots(of: "db") }),
                ("remove a snapshot", { try await volumes.removeSnapshot("one", of: "db") }),
                ("restore", { try await volumes.restore("db", from: "one") }),
                ("clone", { try await volumes.create("new", options: ["from": "db"]) }),
                ("mount", { _ = try await volumes.mount("db", id: "c", for: nil) }),
                ("df", { _ = try await volumes.usage(of: ["db"]).first?.usage.get() }),
            ]
            for (what, call) in calls {
                let error = await #expect(throws: VolumeError.self, "\(what)") { try await call() }
                #expect(error?.code == .unavailable, "\(what)")
                #expect(error?.message.contains("volume 'db' is there but cannot be served") == true, "\(what)")
            }
        }
    }

    /// Moved or deleted, as the doctor advises, while the daemon runs.
    @Test(arguments: [true, false], ["create", "remove", "doctor"])
    func aNameIsFreeOnceWhatHadItIsTakenAway(isLink: Bool, call: String) async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            var place = fixture.pool.appending("volumes/db")
            if isLink {
                #expect(symlink(fixture.root.string, place.string) == 0)
            } else {
                try await fixture.volumes.create("db", options: nil)
                try place.appending("record.json").write("{")
                place = fixture.pool.appending("quarantine/db")
            }
            let volumes = await fixture.restarted().volumes
            // As long as it is there, it is refused, whoever looks.
            #expect(try await volumes.findings().count == 1)
            await #expect(throws: VolumeError.self) { try await volumes.create("db", options: nil) }
            await #expect(throws: VolumeError.self) { try await volumes.remove("db") }

            try Files.rename(place, to: fixture.root.appending("away"))
            switch call {
            case "create": try await volumes.create("db", options: nil)
            case "remove": try await volumes.remove("db")
            default: #expect(try await volumes.findings().isEmpty)
            }
            let listed = try volumes.describeAll()
            #expect(listed.count == (call == "create" ? 1 : 0))
            #expect(listed.allSatisfy { $0.trouble == nil })
        }
    }

    /// The engine is to take its Mount back.
    @Test func aVolumeThatIsHeldAndTakenAwayIsKnownUntilItIsUnmounted() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            try fixture.pool.appending("volumes/db/record.json").write("{")
            let volumes = await fixture.restarted().volumes
            try TreeRemover.remove(fixture.pool.appending("quarantine/db"))
            #expect(try await volumes.findings().map(\.kind) == [.data])
            #expect(try volumes.describe("db").mountCount == 1)
            await #expect(throws: VolumeError.self) { try await volumes.create("db", options: nil) }
            try await volumes.unmount("db", id: "c")
            try await volumes.create("db", options: nil)
        }
    }

    /// As the error of a Create advises that does not go with it.
    @Test func keptDataThatIsTakenAwayIsNotTakenUp() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: ["on-remove": "keep"])
            try await fixture.volumes.remove("db")
            try Files.rename(fixture.pool.appending("volumes/db"), to: fixture.root.appending("away"))
            try await fixture.volumes.create("db", options: ["colour": "red"])
            #expect(try await fixture.restarted().volumes.describe("db").volume?.isAdopted == false)
        }
    }

    @Test func aMendedRecordBringsTheVolumeBack() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: ["colour": "red"])
            let record = fixture.pool.appending("volumes/db/record.json")
            let good = try record.text
            try record.write("damaged")
            _ = await fixture.restarted()
            try Files.rename(fixture.pool.appending("quarantine/db"), to: fixture.pool.appending("volumes/db"))
            try record.write(good)
            #expect(try await fixture.restarted().volumes.describe("db").volume?.options["colour"] == "red")
        }
    }

    /// An older mobyfs must not put away what a newer one has written.
    @Test func leavesARecordOfALaterFormatWhereItIs() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            let record = fixture.pool.appending("volumes/db/record.json")
            try record.write("{\"version\":2,\"shape\":\"unknown\"}")
            #expect(try await fixture.restarted().volumes.describe("db").trouble?.contains("newer") == true)
            #expect(record.exists)
        }
    }

    /// Somebody has copied it there by hand while the daemon runs.
    @Test(arguments: [true, false])
    func saysWhatIsInTheWayOfANewVolume(isFolder: Bool) async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("old", options: nil)
            let place = fixture.pool.appending("volumes/db")
            if isFolder { try Directories.create(place, mode: 0o755) }
            let file = isFolder ? place.appending("file") : place
            try file.write("precious")
            let volumes = fixture.volumes
            let creation = await #expect(throws: VolumeError.self) { try await volumes.create("db", options: nil) }
            let renaming = await #expect(throws: VolumeError.self) { try await volumes.rename("old", to: "db") }
            for error in [creation, renaming] {
                #expect(error?.code == .alreadyExists)
                let text = error?.description ?? ""
                #expect(text.contains("'\(place)' is there without being a volume"), "\(text)")
                #expect(text.contains("'mobyfs doctor'"))
                #expect(!text.contains("/proc/self/fd") && !text.contains("/.new-"), "\(text)")
            }
            #expect(try file.text == "precious")
            #expect(try await fixture.restarted().volumes.describe("old").trouble == nil)
        }
    }

    @Test func aVolumeHalfMadeBeforeACrashIsNoVolume() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            let staging = fixture.pool.appending("volumes/.new-abc")
            try Directories.create(staging.appending("data"), mode: 0o755)
            #expect(await fixture.restarted().volumes.counts.volumes == 0)
            #expect(!staging.exists)
        }
    }

    @Test func deletesRemovedVolumesInTheBackground() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            try Directories.create(fixture.pool.appending("volumes/db/data/deep"), mode: 0o755)
            try await fixture.volumes.remove("db")
            #expect(!fixture.pool.appending("volumes/db").exists)
            try await withThrowingTaskGroup { group in
                group.addTask { await fixture.volumes.emptyTrash() }
                while !(try Directories.entries(of: fixture.pool.appending("trash")).isEmpty) { await Task.yield() }
                group.cancelAll()
            }
        }
    }

    @Test func keepsInTheTrashWhatIsToStayThereAndWhatNobodyKnows() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("kept", options: ["on-remove": "trash"])
            try await fixture.volumes.create("gone", options: nil)
            try Directories.create(fixture.pool.appending("trash/stranger/data"), mode: 0o755)
            try await fixture.volumes.remove("kept")
            try await fixture.volumes.remove("gone")
            let trash = fixture.pool.appending("trash")
            let volumes = await fixture.restarted().volumes
            try await withThrowingTaskGroup { group in
                group.addTask { await volumes.emptyTrash() }
                while try Directories.entries(of: trash).count > 2 { await Task.yield() }
                group.cancelAll()
            }
            let left = try Directories.entries(of: trash).sorted()
            #expect(left.count == 2)
            #expect(left[0].hasPrefix("kept."))
            #expect(left[1] == "stranger")
        }
    }

    /// `on-remove=keep`: the volume is gone for the engine, and comes back with its data by Create.
    @Test func takesUpKeptDataAgain() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: ["on-remove": "keep"])
            let file = fixture.pool.appending("volumes/db/data/file")
            try Directories.create(file.removingLastComponent(), mode: 0o755)
            try file.write("precious")
            try await fixture.volumes.remove("db")
            let volumes = await fixture.restarted().volumes
            #expect(volumes.counts.volumes == 0)
            #expect(throws: VolumeError.self) { try volumes.describe("db") }
            try await volumes.create("db", options: ["colour": "new"])
            #expect(try file.text == "precious")
            #expect(try volumes.describe("db").volume?.options["colour"] == "new")
            // Once kept, it is not lost to a volume that does not say so again.
            try await volumes.remove("db")
            #expect(try file.text == "precious")
        }
    }

    @Test func takesKeptDataUpAsItWasWhereNothingIsAsked() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: ["on-remove": "keep", "mode": "0700"])
            try await fixture.volumes.remove("db")
            try await fixture.volumes.create("db", options: nil)
            let options = try fixture.volumes.describe("db").volume?.options
            #expect(options?.values == ["on-remove": "keep", "mode": "0700"])
        }
    }

    /// Whatever an operator keeps beside the volumes is none of ours.
    @Test func leavesAloneWhatIsNoVolume() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            let (volumes, outside) = (fixture.pool.appending("volumes"), fixture.root.appending("outside"))
            try Directories.create(volumes.appending(".snapshots/1"), mode: 0o755)
            try volumes.appending("README").write("x")
            try Directories.create(outside, mode: 0o755)
            try outside.appending("precious").write("data")
            symlink(outside.string, volumes.appending("link").string)
            symlink(outside.string, fixture.pool.appending("trash/link").string)
            let manager = await fixture.restarted().volumes
            // Whoever has made the link takes it for a volume.
            #expect(manager.counts.volumes == 1)
            #expect(try manager.describe("link").trouble?.contains("symbolic link") == true)
            await #expect(throws: VolumeError.self) { try await manager.remove("link") }
            // A volume behind them in the trash shows that the trash was emptied.
            try await manager.create("zzz", options: nil)
            try await manager.remove("zzz")
            try await withThrowingTaskGroup { group in
                group.addTask { await manager.emptyTrash() }
                while try Directories.entries(of: fixture.pool.appending("trash")).count > 1 { await Task.yield() }
                group.cancelAll()
            }
            #expect(volumes.appending(".snapshots/1").exists)
            #expect(try outside.appending("precious").text == "data")
        }
    }

    @Test(.enabled(if: Machine.isRoot, "mounting needs root"))
    func refusesToRemoveAVolumeThatSomethingIsMountedIn() async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            let (data, outside) = (fixture.pool.appending("volumes/db/data"), fixture.root.appending("outside"))
            try Directories.create(data, mode: 0o755)
            try Directories.create(outside, mode: 0o755)
            try outside.appending("precious").write("data")
            try #require(mount(outside.string, data.string, nil, UInt(MS_BIND), nil) == 0)
            defer { umount2(data.string, CInt(MNT_DETACH)) }
            let error = await #expect(throws: VolumeError.self) { try await fixture.volumes.remove("db") }
            #expect(error?.message.contains("mounted at '\(data)'") == true)
            #expect(throws: SystemCallError.self) { try TreeRemover.empty(data) }
            #expect(try outside.appending("precious").text == "data")
        }
    }

    @Test(arguments: [
        "{\"name\":\"db\",\"bootID\":\"BOOT\",\"holders\":{\"byID\":{\"c\":{\"count\":9223372036854775807,\"isConfirmed\":true,\"isInherited\":false}}}}",
        "{\"name\":\"db\",\"bootID\":\"BOOT\",\"holders\":{\"byID\":{\"c\":{\"count\":-5,\"isConfirmed\":true,\"isInherited\":false}}}}",
        "nonsense", "",
    ])
    func aFileOfHoldersThatMakesNoSenseTakesNothingDown(content: String) async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            let holders = fixture.runtime.appending("holders")
            try holders.appending("db.json").write(content.replacing("BOOT", with: ProcessIdentity.currentBootID))
            try Directories.create(holders.appending("directory.json"), mode: 0o755)
            let volumes = await fixture.restarted().volumes
            #expect(try volumes.describe("db").mountCount == 0)
            _ = try await volumes.mount("db", id: "c", for: nil)
        }
    }

    /// Nobody could have asked for these; whoever wrote them wanted something else.
    @Test(arguments: ["\"driver\":\"unknown\"", "\"driver\":\"\""])
    func aRecordWithAnUnknownDriverIsShownWithTheReason(driver: String) async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: nil)
            let record = fixture.pool.appending("volumes/db/record.json")
            try record.edit { $0.replacing("\"driver\" : \"recording\"", with: driver) }
            let volumes = await fixture.restarted().volumes
            #expect(try volumes.describe("db").trouble?.contains("unknown driver") == true)
            await #expect(throws: VolumeError.self) { try await volumes.remove("db") }
        }
    }

    @Test(arguments: [1, 250, 255])
    func servesNamesOfEveryLength(length: Int) async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            let name = String(repeating: "x", count: length)
            try await fixture.volumes.create(name, options: nil)
            _ = try await fixture.volumes.mount(name, id: "c", for: nil)
            let volumes = await fixture.restarted().volumes
            #expect(try volumes.describe(name).mountCount == 1)
            try await volumes.unmount(name, id: "c")
            try await volumes.remove(name)
        }
    }
}
