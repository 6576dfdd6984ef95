// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite struct StoredVolumesTests {
    @Test func mountsForTheFirstAndUnmountsAfterTheLast() async throws {
        try await withStoredVolumes { fixture in
            let volumes = try fixture.started()
            try await volumes.create("db", options: ["size": "1G"])
            // Two containers, and `docker cp` from the first.
            for id in ["c1", "c2", "c1"] {
                let path = try await volumes.mount("db", id: id, for: fixture.engine)
                #expect(path == "/m/db")
            }
            #expect(try volumes.get("db").status == ["mounts": 3, "colour": "red"])
            for id in ["c1", "c1"] { try await volumes.unmount("db", id: id) }
            // Never mounted, and taken back already.
            for id in ["c3", "c1"] { try await volumes.unmount("db", id: id) }
            let error = await #expect(throws: PluginError.self) { try await volumes.remove("db") }
            #expect(error?.description.contains("in use by 1 mount:") == true)
            #expect(fixture.storage.calls == [.create("db"), .mount("db")])
            try await volumes.unmount("db", id: "c2")
            try await volumes.remove("db")
            try await volumes.remove("db")
            #expect(fixture.storage.calls == [.create("db"), .mount("db"), .unmount("db"), .remove("db")])
            #expect(throws: VolumeNotFound.self) { try volumes.get("db") }
            #expect(try Directories.entries(of: fixture.folder).isEmpty)
        }
    }

    @Test func createsTheSameVolumeTwiceAsOne() async throws {
        try await withStoredVolumes { fixture in
            let volumes = try fixture.started()
            try await volumes.create("db", options: ["size": "1G", "fast": ""])
            try await volumes.create("db", options: ["size": "1G", "fast": ""])
            // `docker run -v` asks for nothing, and is content.
            try await volumes.create("db", options: nil)
            #expect(fixture.storage.calls == [.create("db")])
            let error = await #expect(throws: PluginError.self) {
                try await volumes.create("db", options: ["size": "2G", "thin": "yes", "fast": ""])
            }
            #expect(
                error?.description.contains("size is '1G', asked for '2G'; thin is not set, asked for 'yes'") == true)
        }
    }

    @Test func leavesNothingOfAVolumeThatCannotBeCreated() async throws {
        try await withStoredVolumes { fixture in
            let volumes = try fixture.started()
            fixture.storage.fail(.create("db"))
            let error = await #expect(throws: PluginError.self) { try await volumes.create("db", options: nil) }
            #expect(error?.description.contains("as the test wants it") == true)
            #expect(try volumes.list().isEmpty)
            #expect(try Directories.entries(of: fixture.folder).isEmpty)
        }
    }

    /// The storage is asked when the record is as good as written, so that it has nothing to take back.
    @Test func asksNoStorageForWhatCannotBeRecorded() async throws {
        try await withStoredVolumes { fixture in
            let volumes = try fixture.started()
            Directories.removeIfEmpty(fixture.folder)
            await #expect(throws: PluginError.self) { try await volumes.create("db", options: nil) }
            #expect(fixture.storage.calls.isEmpty)
        }
    }

    @Test func keepsAVolumeWhoseStorageCannotRemoveIt() async throws {
        try await withStoredVolumes { fixture in
            let volumes = try fixture.started()
            try await volumes.create("db", options: nil)
            fixture.storage.fail(.remove("db"))
            await #expect(throws: PluginError.self) { try await volumes.remove("db") }
            #expect(try volumes.get("db").name == "db")
            fixture.storage.fail()
            try await volumes.remove("db")
            #expect(try volumes.list().isEmpty)
        }
    }

    /// The engine logs it, keeps the ID, and sends it again one day.
    @Test func holdsAVolumeThatCannotBeUnmounted() async throws {
        try await withStoredVolumes { fixture in
            let volumes = try fixture.started()
            try await volumes.create("db", options: nil)
            _ = try await volumes.mount("db", id: "i", for: fixture.engine)
            fixture.storage.fail(.unmount("db"))
            await #expect(throws: PluginError.self) { try await volumes.unmount("db", id: "i") }
            await #expect(throws: PluginError.self) { try await volumes.remove("db") }
            fixture.storage.fail()
            try await volumes.unmount("db", id: "i")
            try await volumes.remove("db")
            #expect(fixture.storage.calls.suffix(3) == [.unmount("db"), .unmount("db"), .remove("db")])
        }
    }

    @Test func mountsNothingThatCannotBeNoted() async throws {
        try await withStoredVolumes { fixture in
            let volumes = try fixture.started()
            try await volumes.create("db", options: nil)
            // What is to be replaced is no file any more.
            try Files.rename(fixture.file("db"), to: fixture.folder.appending("old"))
            try Directories.create(fixture.file("db").appending("x"), mode: 0o700)
            let error = await #expect(throws: PluginError.self) {
                try await volumes.mount("db", id: "i", for: fixture.engine)
            }
            #expect(error?.description.contains("cannot be noted") == true)
            #expect(fixture.storage.calls == [.create("db"), .mount("db"), .unmount("db")])
            #expect(try volumes.get("db").status["mounts"] == 0)
        }
    }

    @Test func doesNotKnowWhatIsNotThere() async throws {
        try await withStoredVolumes { fixture in
            let volumes = try fixture.started()
            try await volumes.unmount("db", id: "i")
            try await volumes.remove("db")
            #expect(throws: PluginError.self) { try volumes.path("db") }
            await #expect(throws: PluginError.self) { try await volumes.mount("db", id: "i", for: fixture.engine) }
            #expect(fixture.storage.calls.isEmpty)
        }
    }
}
