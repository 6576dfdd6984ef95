// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSTesting
import SystemPackage
import Testing

@testable import MobyFSHost

@Suite struct MountUnitsTests {
    private let nothing = MountTable(parsing: [])

    @Test(arguments: [
        ("/var/lib/mobyfs", "var-lib-mobyfs.mount"), ("/srv/my-data", "srv-my\\x2ddata.mount"),
        ("/.a/b.c", "\\x2ea-b.c.mount"), ("/srv/a b", "srv-a\\x20b.mount"),
    ])
    func areNamedAsSystemdNamesThem(path: String, unit: String) {
        #expect(MountUnits.name(of: FilePath(path)) == unit)
    }

    @Test func missesWhatIsToBeMountedAtThePathOrAboveIt() async throws {
        try await withTemporaryDirectory { root in
            let units = MountUnits(in: [root.appending("first"), root.appending("second")])
            for folder in ["first", "second"] { try Directories.create(root.appending(folder), mode: 0o755) }
            #expect(units.missing(for: "/srv/pool/mobyfs", in: nothing) == nil)
            try root.appending("second/srv-pool.mount").write("[Mount]")
            #expect(units.missing(for: "/srv/pool/mobyfs", in: nothing)?.mountpoint == "/srv/pool")
            #expect(units.missing(for: "/srv/pool/mobyfs", in: nothing)?.unit == "srv-pool.mount")
            #expect(units.missing(for: "/srv/pools", in: nothing) == nil)
            let table = MountTable(parsing: Array("36 35 98:0 / /srv/pool rw - ext4 /dev/vdb rw\n".utf8))
            #expect(units.missing(for: "/srv/pool/mobyfs", in: table) == nil)
            // Masked.
            #expect(symlink("/dev/null", root.appending("first/srv-pool.mount").string) == 0)
            #expect(units.missing(for: "/srv/pool/mobyfs", in: nothing) == nil)
        }
    }
}
