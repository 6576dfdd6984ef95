// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

/// What is said of a pool that has turned read-only.
@Suite(.enabled(if: ImageTests.canRun, ImageTests.requirement), .timeLimit(.minutes(2)))
struct ReadOnlyPoolTests {
    private func makePoolReadOnly(_ fixture: ManagerFixture) async throws {
        try await eventually("the pool is read-only") {
            // While another test starts a program, that has the volume open as well, and it stays mounted for now.
            await fixture.volumes.unmountIdle()
            return mount(nil, fixture.pool.string, nil, UInt(MS_BIND | MS_REMOUNT | MS_RDONLY), nil) == 0
        }
    }

    private func expectTheWayOut(_ error: VolumeError?, sourceLocation: SourceLocation = #_sourceLocation) {
        let text = error?.description ?? ""
        #expect(error?.code == .io, sourceLocation: sourceLocation)
        #expect(text.contains("its file system is read-only; "), "\(text)", sourceLocation: sourceLocation)
        #expect(text.hasSuffix("Read-only file system"), "\(text)", sourceLocation: sourceLocation)
    }

    @Test func aDirectoryIsNeitherMountedNorChanged() async throws {
        try await withImageVolumes(on: .tmpfs) { images in
            let fixture = await ManagerFixture(
                root: images.root, drivers: [DirectoryDriver(reserved: [images.pool])])
            try await fixture.volumes.create("db", options: ["mode": "0700"])
            let path = try await fixture.volumes.mount("db", id: "c", for: nil)
            try await makePoolReadOnly(fixture)
            let setting = await #expect(throws: VolumeError.self) {
                try await fixture.volumes.change("db", ["mode": "0711"])
            }
            expectTheWayOut(setting)
            #expect(setting?.message.contains("cannot be mounted") == false)
            #expect(try fixture.volumes.describe("db").volume?.options["mode"] == "0700")

            try check(
                mount(nil, fixture.pool.string, nil, UInt(MS_BIND | MS_REMOUNT), nil), "remount '\(fixture.pool)'")
            chmod(path.string, 0o755)
            try await makePoolReadOnly(fixture)
            let mounting = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.mount("db", id: "c2", for: nil)
            }
            expectTheWayOut(mounting)
        }
    }

    @Test func anImageIsNotMounted() async throws {
        try await withImageVolumes(on: .tmpfs) { fixture in
            _ = try await fixture.mounted("db", fs: "ext4")
            try await fixture.volumes.unmount("db", id: "c")
            try await makePoolReadOnly(fixture)
            let error = await #expect(throws: VolumeError.self) {
                _ = try await fixture.volumes.mount("db", id: "c", for: nil)
            }
            expectTheWayOut(error)
        }
    }
}
