// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// What is said of a pool that nothing can be written to.
@Suite(.enabled(if: Machine.isRoot, "mounting needs root"), .timeLimit(.minutes(1)))
struct FullPoolTests {
    private func withFullPool(_ body: (ManagerFixture) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            let pool = root.appending("pool")
            try Directories.create(pool, mode: 0o755)
            try Mounts.mount(type: "tmpfs", source: "pool", at: pool, options: [("size", "1M")])
            // Detached, so that nothing that a failed test has left open is in the way.
            defer { try? Mounts.unmount(pool, detaching: true) }
            let fixture = await ManagerFixture(root: root, drivers: [RecordingDriver()])
            try await fixture.volumes.create("db", options: ["size": "1G"])
            try fill(pool.appending("filler"))
            try await body(fixture)
        }
    }

    private func fill(_ path: FilePath) throws {
        let file = try FileDescriptor.open(path, .writeOnly, options: .create, permissions: .ownerReadWrite)
        try file.closeAfter {
            do {
                while true { try file.writeAll([UInt8](repeating: 1, count: 4096)) }
            } catch let error as Errno where error == .noSpace {
                return
            }
        }
    }

    /// The way to the pool is our own, and so is the name of a file that is half written.
    private func expectToBeOfUse(_ error: VolumeError?, in fixture: ManagerFixture) {
        let text = error?.description ?? ""
        #expect(error?.code == .io)
        #expect(text.contains("the pool is full, make room in it"))
        #expect(text.contains("write '\(fixture.pool)/volumes/"), "\(text)")
        #expect(!text.contains("/proc/self/fd"), "\(text)")
    }

    @Test func changesNameThePoolAndTheWayOut() async throws {
        try await withFullPool { fixture in
            let volumes = fixture.volumes
            let renaming = await #expect(throws: VolumeError.self) { try await volumes.rename("db", to: "www") }
            let resizing = await #expect(throws: VolumeError.self) { try await volumes.resize("db", to: "2G") }
            let setting = await #expect(throws: VolumeError.self) {
                try await volumes.change("db", ["protected": "true"])
            }
            for error in [renaming, resizing, setting] {
                expectToBeOfUse(error, in: fixture)
                #expect(error?.description.contains("/.new-") == false)
            }
            let left = try volumes.describe("db").volume?.options.values
            #expect(left == ["size": "1GiB"])
        }
    }

    @Test func aCreateNamesThePoolAndTheWayOut() async throws {
        try await withFullPool { fixture in
            let error = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.create("www", options: nil)
            }
            expectToBeOfUse(error, in: fixture)
        }
    }
}
