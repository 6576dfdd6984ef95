// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import FoundationEssentials
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// What is left after the plugin, the engine or the host was restarted.
@Suite struct StoredVolumesRestartTests {
    @Test func knowsVolumesAndCountsAfterARestart() async throws {
        try await withStoredVolumes { fixture in
            var before: [VolumeInfo] = []
            do {
                let volumes = try fixture.started()
                try await volumes.create("db", options: ["size": "1G"])
                try await volumes.create("web", options: nil)
                _ = try await volumes.mount("db", id: "i", for: fixture.engine)
                _ = try await volumes.mount("db", id: "i", for: fixture.engine)
                before = try volumes.list()
                #expect(before.map(\.name) == ["db", "web"])
            }
            let volumes = try await fixture.restarted()
            #expect(try volumes.list() == before)
            await #expect(throws: PluginError.self) { try await volumes.create("db", options: [:]) }
            await #expect(throws: PluginError.self) { try await volumes.remove("db") }
            // What the storage mounts may have ended with the process: it is asked once more.
            _ = try await volumes.mount("db", id: "j", for: fixture.engine)
            _ = try await volumes.mount("db", id: "k", for: fixture.engine)
            #expect(fixture.storage.calls.filter { $0 == .mount("db") }.count == 2)
            for id in ["i", "i", "j"] { try await volumes.unmount("db", id: id) }
            #expect(!fixture.storage.calls.contains(.unmount("db")))
            try await volumes.unmount("db", id: "k")
            #expect(fixture.storage.calls.last == .unmount("db"))
        }
    }

    @Test func forgetsCountsWithTheBoot() async throws {
        try await withStoredVolumes { fixture in
            do {
                let volumes = try fixture.started()
                try await volumes.create("db", options: nil)
                _ = try await volumes.mount("db", id: "i", for: fixture.engine)
            }
            let text = try fixture.file("db").text
            #expect(text.contains(ProcessIdentity.currentBootID))
            try fixture.file("db").write(text.replacing(ProcessIdentity.currentBootID, with: "another"))
            let volumes = try await fixture.restarted()
            #expect(try volumes.get("db").status["mounts"] == 0)
            try await volumes.remove("db")
        }
    }

    /// A process ID that no process has, as Linux gives none above 2^22.
    private static let goneProcessID: Int32 = 1 << 30

    /// An engine that was killed sends no Unmount; its counts are not to keep the volume for ever.
    @Test func removesWhatOnlyAnEngineThatIsGoneHeld() async throws {
        try await withStoredVolumes { fixture in
            let volumes = try fixture.started()
            try await volumes.create("db", options: nil)
            _ = try await volumes.mount("db", id: "i", for: Caller(processID: Self.goneProcessID))
            _ = try await volumes.mount("db", id: "j", for: fixture.engine)
            await #expect(throws: PluginError.self) { try await volumes.remove("db") }
            try await volumes.unmount("db", id: "j")
            try await volumes.remove("db")
            #expect(fixture.storage.calls == [.create("db"), .mount("db"), .unmount("db"), .remove("db")])
        }
    }

    /// After a crash the engine starts its containers again with the mount IDs they had, and unmounts once.
    @Test func takesARepeatedIDOfARestartedEngineForTheSameMount() async throws {
        try await withStoredVolumes { fixture in
            let engine = Caller(processID: Wire.ownProcessID)
            let volumes = try fixture.started()
            volumes.engineActivated(engine)
            try await volumes.create("db", options: nil)
            _ = try await volumes.mount("db", id: "i", for: engine)
            _ = try await volumes.mount("db", id: "gone", for: engine)
            volumes.engineActivated(engine)
            _ = try await volumes.mount("db", id: "i", for: engine)
            #expect(try volumes.get("db").status["mounts"] == 2)
            await #expect(throws: PluginError.self) { try await volumes.remove("db") }
            try await volumes.unmount("db", id: "i")
            try await volumes.remove("db")
        }
    }

    /// Anybody can send an activation over TCP; it takes nothing from the engine that has the volume mounted.
    @Test func keepsWhatAnEngineOfUnknownProcessHolds() async throws {
        try await withStoredVolumes { fixture in
            let engine = Caller()
            let volumes = try fixture.started()
            try await volumes.create("db", options: nil)
            _ = try await volumes.mount("db", id: "i", for: engine)
            volumes.engineActivated(Caller())
            await #expect(throws: PluginError.self) { try await volumes.remove("db") }
            try await volumes.unmount("db", id: "i")
            try await volumes.remove("db")
        }
    }

    // MARK: - Files

    @Test(arguments: [
        ("", "malformed JSON"), ("\u{0}\u{0}\u{0}", "malformed JSON"),
        ("{\"version\":1,\"name\":\"d", "malformed JSON"),
        ("{}", "'version'"), (#"{"version":7}"#, "a later version"), (#"{"version":1}"#, "'name'"),
        (#"{"version":1,"name":"web","createdAt":"2026-01-01T00:00:00Z","options":{}}"#, "volume 'web'"),
        (#"{"version":1,"name":"db","createdAt":"yesterday","options":{}}"#, "'createdAt'"),
        (#"{"version":1,"name":"db","createdAt":"2026-01-01T00:00:00Z","options":{"a":1}}"#, "'options'"),
    ])
    func losesNoVolumeWhoseFileIsDamaged(content: String, reason: String) async throws {
        try await withStoredVolumes { fixture in
            do {
                let volumes = try fixture.started()
                try await volumes.create("db", options: nil)
                try await volumes.create("web", options: nil)
            }
            let good = try fixture.file("db").text
            try fixture.file("db").write(content)
            do {
                let volumes = try await fixture.restarted()
                let reported = fixture.reports.lines
                #expect(reported.count == 1)
                #expect(reported.first?.contains(reason) == true, "\(reported)")
                // The engine is not to forget it.
                guard case .string(let told)? = try volumes.get("db").status["error"] else {
                    Issue.record("nothing is said about the damage")
                    return
                }
                #expect(told.contains(reason))
                #expect(try volumes.list().map(\.name) == ["db", "web"])
                await #expect(throws: PluginError.self) { try await volumes.create("db", options: nil) }
                await #expect(throws: PluginError.self) { try await volumes.remove("db") }
                await #expect(throws: PluginError.self) { try await volumes.mount("db", id: "i", for: fixture.engine) }
                try await volumes.unmount("db", id: "i")
                #expect(try fixture.file("db").text == content)
                try await volumes.remove("web")
            }
            try fixture.file("db").write(good)
            let mended = try await fixture.restarted().get("db")
            #expect(mended.status["error"] == nil)
        }
    }

    /// Names that cannot be names of files, too.
    @Test(arguments: ["", "../x", "a/b", "é ü", ".", "~1.json", String(repeating: "x", count: 255)])
    func recordsAnyName(name: String) async throws {
        try await withStoredVolumes { fixture in
            do {
                let volumes = try fixture.started()
                try await volumes.create(name, options: nil)
                _ = try await volumes.mount(name, id: "i", for: fixture.engine)
            }
            let volumes = try await fixture.restarted()
            #expect(try volumes.list().map(\.name) == [name])
            try await volumes.unmount(name, id: "i")
            try await volumes.remove(name)
            #expect(try Directories.entries(of: fixture.folder).isEmpty)
            #expect(fixture.reports.lines.isEmpty)
        }
    }

    @Test func clearsAwayWhatACrashLeftAndNothingElse() async throws {
        try await withStoredVolumes { fixture in
            try Directories.create(fixture.folder, mode: 0o700)
            for name in [".new-1x", "README", ".hidden.json"] { try fixture.folder.appending(name).write("{") }
            _ = try fixture.started()
            #expect(Set(try Directories.entries(of: fixture.folder)) == ["README", ".hidden.json"])
            #expect(fixture.reports.lines.isEmpty)
        }
    }

    @Test func sharesItsFolderWithNobody() async throws {
        try await withStoredVolumes { fixture in
            let volumes = try fixture.started()
            let error = #expect(throws: PluginError.self) { try fixture.started() }
            #expect(error?.description.contains("another process") == true)
            #expect(DescriptorCanary.losses { _ = try? fixture.started() } == 0)
            #expect(try volumes.list().isEmpty)
        }
    }
}
