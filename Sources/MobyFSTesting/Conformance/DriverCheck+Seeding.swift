// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSVolumes
import SystemPackage
import Testing

extension DriverCheck {
    /// The root directory, which the engine fills from the image when it finds it empty.
    static let seeding = [
        DriverCheck("the root of a new volume is empty", emptyRoot),
        DriverCheck("what the engine seeds is there for the container", seed),
        DriverCheck("owner and mode of the root are nobody's business unless asked for", attributesLeftAlone),
        DriverCheck("owner and mode that are asked for are given at each Mount", attributesAskedFor),
    ]

    private static func emptyRoot(_ run: DriverRun) async throws {
        try await run.create("db")
        for _ in 0..<2 {
            try await run.withMounted("db") { try $0.expectEntries([]) }
        }
    }

    private static func seed(_ run: DriverRun) async throws {
        try await run.create("db")
        // A Mount and an Unmount of its own, before the container's.
        let seeded = try await run.mount("db", "seed")
        try seeded.appending("file").write("of the image")
        try Directories.create(seeded.appending("folder"), mode: 0o700)
        #expect(lchown(seeded.appending("folder").string, 33, 44) == 0)
        #expect(symlink("/etc/passwd", seeded.appending("link").string) == 0)
        #expect(chown(seeded.string, 1234, 5678) == 0)
        #expect(chmod(seeded.string, 0o1770) == 0)
        try await run.unmount("db", "seed")

        try await run.withMounted("db") { path in
            try path.expectEntries(["file", "folder", "link"])
            try path.expectText("of the image", in: "file")
            #expect(path.appending("folder").attributes == (0o700, 33, 44))
            #expect(path.attributes == (0o1770, 1234, 5678))
        }
    }

    private static func attributesLeftAlone(_ run: DriverRun) async throws {
        try await run.create("db")
        let path = try await run.mount("db")
        #expect(chmod(path.string, 0o1777) == 0)
        #expect(chown(path.string, 99, 98) == 0)
        #expect(try await run.mount("db", "d") == path)
        #expect(path.attributes == (0o1777, 99, 98))
        await run.restart()
        for id in ["c", "d"] { try await run.unmount("db", id) }
        let attributes = try await run.withMounted("db") { $0.attributes }
        #expect(attributes == (0o1777, 99, 98))
    }

    private static func attributesAskedFor(_ run: DriverRun) async throws {
        try await run.create("db", ["uid": "1234", "gid": "5678", "mode": "2770"])
        for _ in 0..<2 {
            try await run.withMounted("db") { path in
                #expect(path.attributes == (0o2770, 1234, 5678))
                // As image seeding does it.
                #expect(chown(path.string, 0, 0) == 0)
                #expect(chmod(path.string, 0o755) == 0)
                #expect(try await run.mount("db", "d") == path)
                if !run.fixture.isRemote { #expect(path.attributes == (0o2770, 1234, 5678)) }
                try await run.unmount("db", "d")
            }
        }
    }
}
