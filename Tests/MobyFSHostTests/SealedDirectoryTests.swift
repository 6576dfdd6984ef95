// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite(.enabled(if: Machine.isRoot, "mounting needs root")) struct SealedDirectoryTests {
    private static let shell = HelperProgram("sh", package: "dash")

    /// A folder with all ways out of it, and what is there.
    private func withFolder(_ body: (_ folder: FilePath, _ outside: FilePath) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            let (folder, outside) = (root.appending("folder"), root.appending("outside"))
            try Directories.create(folder.appending("mounted"), mode: 0o755)
            try Directories.create(outside, mode: 0o755)
            try outside.appending("file").write("precious")
            try folder.appending("file").write("own")
            symlink(outside.string, folder.appending("link").string)
            try Mounts.bind(outside, at: folder.appending("mounted"))
            defer { try? Mounts.unmount(folder.appending("mounted"), detaching: true) }
            try await body(folder, outside)
        }
    }

    private func run(_ script: String) async throws -> String {
        try await Self.shell.run(["-euc", script], until: .now + .seconds(90))
    }

    @Test func hasNoWayOut() async throws {
        try await withFolder { folder, outside in
            try await SealedDirectory.with(folder, for: .reading) { sealed in
                let (own, link, mounted) = (
                    try await run("cat \(sealed)/file"), try await run("readlink \(sealed)/link"),
                    try await run("ls \(sealed)/mounted")
                )
                #expect(own == "own" && mounted == "")
                // What it says is there to be copied.
                #expect(link == "\(outside)\n")
                for path in ["link/file", "link/", "mounted/file", "../outside/file"] {
                    await #expect(throws: HelperError.self, "\(path)") { try await run("cat \(sealed)/\(path)") }
                }
                await #expect(throws: HelperError.self) { try await run("echo x >\(sealed)/file") }
            }
            #expect(try outside.appending("file").text == "precious")
        }
    }

    @Test func canBeWrittenToIfThatIsWhatItIsFor() async throws {
        try await withFolder { folder, _ in
            try await SealedDirectory.with(folder, for: .writing) { sealed in
                _ = try await run("echo x >\(sealed)/new")
                await #expect(throws: HelperError.self) { try await run("echo x >\(sealed)/link/new") }
            }
            #expect(try folder.appending("new").text == "x\n")
        }
    }

    /// Nobody knows what `/proc/1234/fd/5` is.
    @Test func whatFailsIsSaidOfTheFolder() async throws {
        try await withFolder { folder, _ in
            let error = await #expect(throws: HelperError.self) {
                try await SealedDirectory.with(folder, for: .reading) { sealed in
                    _ = try await run("cat \(sealed)/./missing")
                }
            }
            #expect(error?.lastLine.contains("\(folder)/missing") == true, "\(error?.lastLine ?? "")")
        }
    }
}
