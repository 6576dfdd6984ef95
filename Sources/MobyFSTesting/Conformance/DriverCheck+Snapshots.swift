// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MobyFSHost
import MobyFSVolumes
import SystemPackage
import Testing

// What volumes held once: drivers that keep data in the pool can keep that too, all others say that they cannot.
extension DriverCheck {
    static let snapshots = [
        DriverCheck("a volume holds again what a snapshot has kept", restored),
        DriverCheck("a snapshot of a volume in use is of one moment, or refused", snapshotInUse),
        DriverCheck("a clone begins as its original and is on its own", cloned),
        DriverCheck("a snapshot that fails, is deleted or is cut off leaves nothing", snapshotsGo),
        DriverCheck("a volume keeps its data and snapshots under another name, or its name", renamed),
    ]

    private static func restored(_ run: DriverRun) async throws {
        guard try await run.canHaveSnapshots() else { return }
        try await run.withMounted("db") { path in
            try path.appending("file").write("precious")
            #expect(chown(path.appending("file").string, 1234, 5678) == 0)
            #expect(symlink("file", path.appending("link").string) == 0)
        }
        let first = try await run.volumes.snapshot("db", as: "first")
        #expect(first.description == "first")
        try await run.withMounted("db") { path in
            try path.appending("file").write("spoilt")
            try path.appending("more").write("x")
        }
        _ = try await run.volumes.snapshot("db", as: "second")
        await run.restart()
        let names = try await run.volumes.snapshots(of: "db").map(\.name.description)
        #expect(names == ["first", "second"])
        for (name, text, entries) in [
            ("first", "precious", ["file", "link"]), ("second", "spoilt", ["file", "link", "more"]),
            ("first", "precious", ["file", "link"]),
        ] {
            try await run.volumes.restore("db", from: name)
            try await run.withMounted("db") { path in
                try path.expectEntries(Set(entries))
                try path.expectText(text, in: "file")
                // Written anew, it is another file.
                if text == "precious" { #expect(path.appending("file").attributes.owner == 1234) }
            }
            await run.restart()
        }
    }

    private static func snapshotInUse(_ run: DriverRun) async throws {
        guard try await run.canHaveSnapshots() else { return }
        let path = try await run.mount("db")
        try path.appending("file").write("precious")
        do {
            _ = try await run.volumes.snapshot("db", as: "live")
            try path.appending("file").write("spoilt")
            try await run.unmount("db")
            try await run.volumes.restore("db", from: "live")
            try await run.withMounted("db") { try $0.expectText("precious", in: "file") }
        } catch let error as VolumeError where error.code == .inUse {
            #expect(error.message.contains("stop the containers"))
            let none = try await run.volumes.snapshots(of: "db").isEmpty
            #expect(none)
            try path.expectText("precious", in: "file")
            try await run.unmount("db")
            _ = try await run.volumes.snapshot("db", as: "live")
        }
        // Nothing is pulled from under whoever uses it.
        let again = try await run.mount("db")
        let refusal = await #expect(throws: VolumeError.self) { try await run.volumes.restore("db", from: "live") }
        #expect(refusal?.code == .inUse)
        try again.expectText("precious", in: "file")
        try await run.unmount("db")
    }

    private static func cloned(_ run: DriverRun) async throws {
        guard try await run.canHaveSnapshots() else { return }
        try await run.withMounted("db") { try $0.appending("file").write("first") }
        _ = try await run.volumes.snapshot("db", as: "then")
        try await run.withMounted("db") { try $0.appending("file").write("second") }
        try await run.volumes.create("now", options: ["from": "db"])
        try await run.volumes.create("before", options: ["from": "db@then", "uid": "1234"])
        // All at once, for file systems that are alike may get into each other's way.
        let paths = [try await run.mount("db"), try await run.mount("now"), try await run.mount("before")]
        for (path, text) in zip(paths, ["second", "second", "first"]) { try path.expectText(text, in: "file") }
        #expect(paths[2].attributes.owner == 1234)
        try paths[1].appending("file").write("third")
        try paths[0].expectText("second", in: "file")
        for name in ["db", "now", "before"] { try await run.unmount(name) }
        let volume = try #require(try run.volumes.describe("now").volume)
        #expect(volume.driver == run.fixture.driver)
        #expect(volume.options.size == (try run.volumes.describe("db").volume?.options.size))
        // The same again is the same wish, also when the original is gone.
        try await run.volumes.create("now", options: ["from": "db"])
        try await run.volumes.remove("db")
        try await run.volumes.create("now", options: ["from": "db"])
        await run.restart()
        try await run.withMounted("now") { try $0.expectText("third", in: "file") }
        let missing = await #expect(throws: VolumeError.self) {
            try await run.volumes.create("x", options: ["from": "now@none"])
        }
        #expect(missing?.code == .notFound)
    }

    private static func snapshotsGo(_ run: DriverRun) async throws {
        guard try await run.canHaveSnapshots() else { return }
        let folder = run.pool.appending("volumes/db/snapshots")
        try await run.withMounted("db") { try $0.appending("file").write("precious") }
        _ = try await run.volumes.snapshot("db", as: "one")
        for (name, words) in [
            ("one", "already"), ("../x", "no name for a snapshot"), ("a/b", "no name for a snapshot"),
        ] {
            let refusal = await #expect(throws: VolumeError.self) { try await run.volumes.snapshot("db", as: name) }
            #expect(refusal?.message.contains(words) == true, "\(refusal?.message ?? "")")
        }
        try folder.expectEntries(["one"])
        // What a daemon leaves that was killed.
        try Directories.create(folder.appending(".new-half/data"), mode: 0o700)
        try await run.volumes.removeSnapshot("one", of: "db")
        _ = try await run.volumes.snapshot("db", as: "two")
        try folder.expectEntries(["two"])
        for call in [
            { try await run.volumes.removeSnapshot("one", of: "db") },
            { try await run.volumes.restore("db", from: "one") },
        ] {
            let refusal = await #expect(throws: VolumeError.self) { try await call() }
            #expect(refusal?.code == .notFound && refusal?.message.contains("it has two") == true)
        }
        // Those of the schedule take turns.
        try await run.volumes.change("db", ["snapshot-schedule": "hourly", "snapshot-keep": "2"])
        for hour in 1...4 {
            let made = try await run.volumes.makeScheduledSnapshots(at: .now + Double(hour) * 4000)
            #expect(made.count == 1)
            // Their names are of seconds.
            try await Task.sleep(for: .milliseconds(1100))
        }
        let left = try await run.volumes.snapshots(of: "db")
        #expect(left.filter(\.isScheduled).count == 2 && left.count == 3)
        let tooEarly = try await run.volumes.makeScheduledSnapshots(at: .now + 4.0 * 4000 + 60)
        #expect(tooEarly.isEmpty)
    }

    private static func renamed(_ run: DriverRun) async throws {
        try await run.create("db")
        try await run.withMounted("db") { try $0.appending("file").write("precious") }
        do {
            try await run.volumes.rename("db", to: "new")
        } catch let error as VolumeError {
            #expect(error.message.contains("cannot be renamed"))
            return try await run.withMounted("db") { try $0.expectText("precious", in: "file") }
        }
        await run.restart()
        try await run.withMounted("new") { try $0.expectText("precious", in: "file") }
        try await run.create("db")
    }
}

extension DriverRun {
    /// Creates a volume, and sees that it can have snapshots or says that it cannot.
    fileprivate func canHaveSnapshots() async throws -> Bool {
        try await create("db")
        guard !(try isSnapshotDriver) else { return true }
        let refusal = await #expect(throws: VolumeError.self) { try await volumes.snapshot("db") }
        #expect(refusal?.message.contains("can have no snapshots") == true, "\(refusal?.message ?? "")")
        return false
    }
}
