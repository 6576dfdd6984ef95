// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginDiscovery
import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@Suite struct SpecFileTests {
    private let socket = PluginEndpoint(PluginAddress(socket: "/run/x.sock"))

    private func tcp(_ port: Int) throws -> PluginEndpoint {
        PluginEndpoint(try PluginAddress("tcp://127.0.0.1:\(port)"))
    }

    @Test func writesOneLineAndRemovesIt() async throws {
        try await withTemporaryDirectory { root in
            let file = SpecFile(name: "x", directory: root.appending("docker/plugins").string)
            let path = FilePath(file.path(.spec))
            #expect(try file.addressOfOurs() == nil)
            try file.write(socket)
            #expect(try path.text == "unix:///run/x.sock\n")
            #expect(path.attributes.mode == 0o644)
            try file.write(socket)
            // A later address of ours replaces an earlier one.
            try file.write(tcp(1))
            #expect(try file.addressOfOurs() == "tcp://127.0.0.1:1")
            #expect(try file.remove() == [path.string])
            #expect(!path.exists)
            #expect(try file.remove().isEmpty)
        }
    }

    @Test func writesJSONForTLSAndTakesTheOtherFormAway() async throws {
        try await withTemporaryDirectory { root in
            let file = SpecFile(name: "x", directory: root.string)
            try file.write(socket)
            let tls = SpecTLS(caFile: "/ca.pem", certFile: "/cert.pem", keyFile: "/a \"key\".pem")
            #expect(try file.write(PluginEndpoint(PluginAddress("https://h:1"), tls: tls)) == .json)
            #expect(!FilePath(file.path(.spec)).exists, "engines would take the .spec first")
            let written = try JSONValue(parsing: Array(FilePath(file.path(.json)).text.utf8))
            #expect(written["Name"] == "x")
            #expect(written["Addr"] == "https://h:1")
            #expect(
                written["TLSConfig"] == [
                    "CAFile": "/ca.pem", "CertFile": "/cert.pem", "KeyFile": "/a \"key\".pem",
                    "InsecureSkipVerify": false,
                ])
            try file.write(socket)
            #expect(!FilePath(file.path(.json)).exists)
            #expect(try file.addressOfOurs() == "unix:///run/x.sock")
        }
    }

    @Test func makesTheFolderThatANameHasAndTakesItAwayAgain() async throws {
        try await withTemporaryDirectory { root in
            let plugins = root.appending("plugins")
            let files = ["vieux/sshfs", "vieux/sshfs:latest"].map { SpecFile(name: $0, directory: plugins.string) }
            for file in files { try file.write(socket) }
            let text = try plugins.appending("vieux").appending("sshfs:latest.spec").text
            #expect(text == "unix:///run/x.sock\n")
            #expect(plugins.appending("vieux").attributes.mode == 0o755)
            #expect(try Directories.entries(of: plugins) == ["vieux"], "old engines list every file there")
            #expect(try Directories.entries(of: root) == ["plugins"])
            #expect(try files[0].lookUp().taken?.path == files[0].path(.spec))
            #expect(try files[0].remove() == ["\(plugins)/vieux/sshfs.spec"])
            #expect(try Directories.entries(of: plugins.appending("vieux")) == ["sshfs:latest.spec"])
            #expect(try files[1].remove(saying: socket).count == 1)
            #expect(try Directories.entries(of: plugins).isEmpty)
        }
    }

    /// Daemons that start and stop at the same time, with names in one folder.
    @Test func writesIntoAFolderThatAnotherTakesAway() async throws {
        try await withTemporaryDirectory { root in
            try await withThrowingTaskGroup { group in
                for name in ["a", "b", "c"] {
                    let file = SpecFile(name: "vieux/\(name)", directory: root.appending("plugins").string)
                    group.addTask {
                        for _ in 0..<300 {
                            try file.write(socket)
                            try file.remove()
                        }
                    }
                }
                try await group.waitForAll()
            }
            let left = try Directories.entries(of: root.appending("plugins"))
            #expect(left.isEmpty)
        }
    }

    @Test(arguments: ["../x", "a//b", "/x", "x/", "a/../b"])
    func writesNothingOutsideOfTheFolder(name: String) async throws {
        try await withTemporaryDirectory { root in
            let file = SpecFile(name: name, directory: root.appending("docker/plugins").string)
            #expect(throws: SpecFileError.self) { try file.write(socket) }
            let made = try Directories.entries(of: root)
            #expect(made.isEmpty)
        }
    }

    @Test(arguments: SpecFile.Form.allCases)
    func leavesAFileOfSomebodyElseAlone(form: SpecFile.Form) async throws {
        try await withTemporaryDirectory { root in
            let file = SpecFile(name: "x", directory: root.string)
            let path = FilePath(file.path(form))
            try path.write("tcp://elsewhere:1\n")
            let https = PluginEndpoint(try PluginAddress("https://h:1"))
            #expect(throws: SpecFileError.self) { try file.write(https) }
            #expect(try file.remove().isEmpty)
            #expect(try file.remove(saying: socket).isEmpty)
            #expect(try path.text == "tcp://elsewhere:1\n")
            #expect(try file.write(https, replacingOthers: true) == .json)
            #expect(try file.addressOfOurs() == "https://h:1")
        }
    }

    /// Engines read it only where there is no `.spec`.
    @Test func aJSONOfSomebodyElseIsNotInTheWayOfASpec() async throws {
        try await withTemporaryDirectory { root in
            let file = SpecFile(name: "x", directory: root.string)
            try FilePath(file.path(.json)).write("{}")
            try file.write(socket)
            #expect(try FilePath(file.path(.json)).text == "{}")
            #expect(try file.remove() == [file.path(.spec)])
        }
    }

    @Test func saysThatAnotherFileCountsBeforeIt() async throws {
        try await withTemporaryDirectory { root in
            let file = SpecFile(name: "x", directory: root.string)
            #expect(try file.concerns(file.write(socket)).isEmpty)
            // Engines read a `.spec` before a `.json` of the same folder, whoever wrote it since.
            let https = PluginEndpoint(try PluginAddress("https://h:1"))
            let form = try file.write(https)
            #expect(file.concerns(form).allSatisfy { $0.contains("the system's authorities") })
            try FilePath(file.path(.spec)).write("unix:///elsewhere.sock\n")
            #expect(file.concerns(form).first?.contains("engines take '\(file.path(.spec))' before") == true)
        }
    }

    @Test func leavesOursAloneOnceItSaysSomethingElse() async throws {
        try await withTemporaryDirectory { root in
            let file = SpecFile(name: "x", directory: root.string)
            try file.write(tcp(1))
            #expect(try file.remove(saying: socket).isEmpty)
            #expect(try file.addressOfOurs() == "tcp://127.0.0.1:1")
            // Edited since, it is somebody else's.
            try FilePath(file.path(.spec)).write("tcp://127.0.0.1:2\n")
            #expect(try file.remove().isEmpty)
            #expect(try file.remove(includingOthers: true) == [file.path(.spec)])
        }
    }

    /// As in a container that has the host's folder mounted.
    @Test(
        .enabled(if: Self.isOtherFileSystem("/dev/shm", than: "/tmp"), "/dev/shm is no file system of its own"))
    func isWrittenToAFileSystemOfItsOwn() async throws {
        try await withTemporaryDirectory { root in
            let folder = FilePath("/dev/shm/mobyfs-test-\(UInt64.random(in: 0...UInt64.max))")
            try Directories.create(folder, mode: 0o755)
            defer { #expect(throws: Never.self) { try TreeRemover.remove(folder) } }
            #expect(symlink(folder.string, root.appending("plugins").string) == 0)
            let file = SpecFile(name: "x", directory: root.appending("plugins").string)
            try file.write(socket)
            #expect(try FilePath(file.path(.spec)).text == "unix:///run/x.sock\n")
            #expect(try Directories.entries(of: folder) == ["x.spec"])
            #expect(try Directories.entries(of: root) == ["plugins"])
        }
    }

    private static func isOtherFileSystem(_ path: String, than other: String) -> Bool {
        var (status, otherStatus) = (stat(), stat())
        return stat(path, &status) == 0 && stat(other, &otherStatus) == 0 && status.st_dev != otherStatus.st_dev
    }

    @Test func showsNothingOfAnothersFileThatATerminalWouldObey() async throws {
        try await withTemporaryDirectory { root in
            let file = SpecFile(name: "x", directory: root.string)
            try FilePath(file.path(.spec)).write("unix:///a\u{9B}31m\u{202E}\u{1B}.sock\n")
            let error = #expect(throws: SpecFileError.self) { try file.write(socket) }
            #expect(error?.description.contains("'unix:///a 31m  .sock '") == true)
        }
    }
}
