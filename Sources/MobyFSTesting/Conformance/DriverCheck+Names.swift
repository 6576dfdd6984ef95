// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSVolumes
import SystemPackage
import Testing

extension DriverCheck {
    /// Names that were chosen to hurt.
    static let names = [
        DriverCheck("every name that a volume may have is a volume", goodNames),
        DriverCheck("names that no volume may have are refused", badNames),
        DriverCheck("files of any name are kept, and deleted", fileNames),
    ]

    private static func goodNames(_ run: DriverRun) async throws {
        let long = String(repeating: "x", count: 255)
        let names = [long, "0", "A-", "a.b-c_d..", "record.json", "data", "image", "lost.found", "e.json", "x--y"]
        for name in names { try await run.create(name) }
        for round in 0..<2 {
            for name in names {
                try await run.withMounted(name) { path in
                    if round == 0 { try path.appending("file").write(name) }
                    try path.expectText(name, in: "file")
                }
            }
            await run.restart()
        }
        #expect(Set(try run.volumes.describeAll().map(\.name.description)) == Set(names))
        for name in names { try await run.volumes.remove(name) }
        try await run.expectNothingLeft()
    }

    private static func badNames(_ run: DriverRun) async throws {
        let names = [
            "", ".", "..", "../db", "a/b", "/etc", ".db", "-db", "_db", "a b", "a\nb", "a\u{0}b", "dätä", "db:ro",
            "a,b", "%n", String(repeating: "x", count: 256),
        ]
        for name in names {
            let error = await #expect(throws: VolumeError.self, "\(name)") {
                try await run.volumes.create(name, options: [:])
            }
            #expect(error?.code == .invalidArgument)
        }
        try await run.expectNothingLeft()
    }

    private static func fileNames(_ run: DriverRun) async throws {
        let long = String(repeating: "n", count: 255)
        let names = [
            long, "-rf", "a b", "line\nbreak", "tab\t", "back\\slash", "'\"", "$(id)", "`id`", "*", "%s", "ünïcode",
            "record.json", ".hidden", "lost+found", "\\040", ",comma=",
        ]
        let outside = run.root.appending("outside")
        try outside.write("not to be touched")
        try await run.create("db")
        try await run.withMounted("db") { path in
            for name in names { try path.appending(FilePath.Component(verbatim: name)).write(name) }
            #expect(symlink(outside.string, path.appending("link").string) == 0)
            #expect(symlink("loop", path.appending("loop").string) == 0)
            #expect(symlink("/", path.appending("root").string) == 0)
            var deep = path
            for _ in 0..<12 { deep.append("deep") }
            try Directories.create(deep, mode: 0)
        }
        await run.restart()
        try await run.withMounted("db") { path in
            try path.expectEntries(Set(names + ["link", "loop", "root", "deep"]))
            for name in names {
                try path.expectText(name, in: FilePath.Component(verbatim: name))
            }
        }
        try await run.volumes.remove("db")
        try await run.expectNothingLeft()
        #expect(try outside.text == "not to be touched")
    }
}

extension FilePath.Component {
    /// A name as it stands; none of these has a slash.
    fileprivate init(verbatim name: String) {
        self = FilePath.Component(name) ?? "no-component"
    }
}
