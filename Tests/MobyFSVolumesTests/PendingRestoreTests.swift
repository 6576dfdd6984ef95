// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@testable import MobyFSVolumes

/// A restore to another size that a crash has cut off between content and record.
struct PendingRestoreTests {
    @Test(arguments: [false, true])
    func theContentTellsWhichSizeTheVolumeHas(hasHappened: Bool) async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: ["size": "24MiB"])
            let directory = fixture.pool.appending("volumes/db")
            let (content, staged) = (directory.appending("content"), directory.appending("staged"))
            try content.write("of now")
            try staged.write("of the snapshot")
            var volume = try #require(try fixture.volumes.describe("db").volume)
            volume.pendingRestore = try PendingRestore(of: staged, named: "content", size: "16MiB")
            try VolumeRecord.write(volume, in: directory)
            if hasHappened { try Files.exchange(content, with: staged) }
            let restarted = try await fixture.restarted().volumes.describe("db").volume
            #expect(restarted?.options["size"] == (hasHappened ? "16MiB" : "24MiB"))
            #expect(restarted?.pendingRestore == nil)
        }
    }

    @Test func contentThatIsMissingIsNotTheNewOne() async throws {
        try await withTemporaryDirectory { root in
            let staged = root.appending("staged")
            try staged.write("of the snapshot")
            let restore = try PendingRestore(of: staged, named: "content", size: nil)
            #expect(!restore.hasHappened(in: root))
            try Files.rename(staged, to: root.appending("content"))
            #expect(restore.hasHappened(in: root))
        }
    }
}
