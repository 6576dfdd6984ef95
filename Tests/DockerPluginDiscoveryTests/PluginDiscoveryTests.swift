// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery
import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

/// The three folders of an engine, below a root of their own.
struct Folders {
    let root: FilePath
    /// Listening sockets, which end with this object.
    private(set) var sockets: [RawServer] = []

    var discovery: PluginDiscovery {
        PluginDiscovery(
            directories: PluginDirectories(sockets: "\(root)/run", specs: ["\(root)/etc", "\(root)/lib"]))
    }

    mutating func put(_ files: [String], saying text: String = "tcp://127.0.0.1:1\n") throws {
        for file in files {
            let path = root.pushing(FilePath(file))
            try Directories.create(path.removingLastComponent(), mode: 0o755)
            if file.hasSuffix(".sock") {
                sockets.append(try RawServer(path, serve: nil))
            } else {
                try path.write(text)
            }
        }
    }

    func path(_ file: String) -> String { root.pushing(FilePath(file)).string }
}

/// Runs `body` with folders in which there is nothing yet.
func withFolders(_ body: (inout Folders) throws -> Void) async throws {
    try await withTemporaryDirectory { root in
        var folders = Folders(root: root)
        try body(&folders)
    }
}

@Suite struct PluginDiscoveryTests {
    /// Everything before counts more than everything behind.
    static let order = [
        "run/x.sock", "run/x/x.sock", "etc/x.spec", "etc/x/x.spec", "etc/x.json", "etc/x/x.json", "lib/x.spec",
        "lib/x/x.spec", "lib/x.json", "lib/x/x.json",
    ]

    @Test func takesTheFirstOfAllPlaces() async throws {
        try await withFolders { folders in
            for file in Self.order.reversed() {
                try folders.put([file])
                let lookup = try folders.discovery.lookUp("x")
                #expect(lookup.taken?.path == folders.path(file))
                #expect(lookup.candidates.dropFirst().allSatisfy { $0.verdict == .shadowed })
            }
            let lookup = try folders.discovery.lookUp("x")
            #expect(lookup.candidates.map(\.path) == Self.order.map(folders.path))
            #expect(try lookup.endpoint == PluginEndpoint(PluginAddress(socket: folders.path("run/x.sock"))))
        }
    }

    @Test func passesOverWhatIsNoSocket() async throws {
        try await withFolders { folders in
            try folders.put(["run/x.sock", "etc/x.spec"])
            try Files.unlink(FilePath(folders.path("run/x.sock")))
            try FilePath(folders.path("run/x.sock")).write("")
            var lookup = try folders.discovery.lookUp("x")
            #expect(lookup.candidates.map(\.verdict) == [.passedOver("no socket"), .taken])
            // A link to a socket is as good as the socket, a link to nothing is none.
            try Files.unlink(FilePath(folders.path("run/x.sock")))
            symlink(folders.path("nowhere"), folders.path("run/x.sock"))
            lookup = try folders.discovery.lookUp("x")
            #expect(lookup.candidates.first?.verdict == .passedOver("a symbolic link that leads nowhere"))
            try folders.put(["elsewhere/y.sock"])
            unlink(folders.path("run/x.sock"))
            symlink(folders.path("elsewhere/y.sock"), folders.path("run/x.sock"))
            #expect(try folders.discovery.lookUp("x").taken?.form == .socket)
        }
    }

    /// Engines do not go on to the next file.
    @Test func aBrokenFileHidesAGoodOne() async throws {
        try await withFolders { folders in
            try folders.put(["etc/x.spec"], saying: "/run/x.sock\n")
            try folders.put(["lib/x.spec"])
            let lookup = try folders.discovery.lookUp("x")
            #expect(lookup.taken?.path == folders.path("etc/x.spec"))
            #expect(lookup.candidates.map(\.verdict) == [.taken, .shadowed])
            let error = #expect(throws: PluginDiscoveryError.self) { try lookup.endpoint }
            #expect(error?.isMissing == false)
            #expect(
                error?.description.contains("'\(folders.path("etc/x.spec"))' is no use: '/run/x.sock' has no scheme")
                    == true)
        }
    }

    @Test func saysWhereItLooked() async throws {
        try await withFolders { folders in
            try folders.put(["run/x.socket", "etc/X.yaml", "etc/x", "run/x.spec", "etc/x.sock", "etc/xy.spec"])
            let lookup = try folders.discovery.lookUp("x")
            #expect(lookup.candidates.isEmpty)
            #expect(
                folders.discovery.strays(of: "x")
                    == ["run/x.socket", "run/x.spec", "etc/X.yaml", "etc/x", "etc/x.sock"].map(folders.path))
            let error = #expect(throws: PluginDiscoveryError.self) { try lookup.endpoint }
            #expect(error?.isMissing == true)
            #expect(error?.description.contains("no 'x.spec' or 'x.json' in '\(folders.path("etc"))' or") == true)
        }
    }

    @Test(arguments: ["", ".", "..", "../x", "a/../../x", "/x", "x/", "a\0b"])
    func refusesWhatIsNoName(name: String) async throws {
        #expect(throws: PluginDiscoveryError.self) { try PluginDiscovery().lookUp(name) }
    }

    /// An engine that reads a FIFO does not come back.
    @Test(.timeLimit(.minutes(1)), arguments: ["etc/x.spec", "etc/x.json"])
    func waitsForNoFIFO(file: String) async throws {
        try await withFolders { folders in
            try Directories.create(FilePath(folders.path("etc")), mode: 0o755)
            mkfifo(folders.path(file), 0o644)
            let lookup = try folders.discovery.lookUp("x")
            #expect(lookup.taken?.problem?.contains("is a FIFO, at which engines wait for ever") == true)
            #expect(folders.discovery.names == ["x"])
        }
    }

    @Test func takesNeitherFolderNorDeviceNorLargeFile() async throws {
        try await withFolders { folders in
            try Directories.create(FilePath(folders.path("etc/a.spec")), mode: 0o755)
            symlink("/dev/zero", folders.path("etc/b.spec"))
            try folders.put(["etc/c.spec"], saying: String(repeating: " ", count: 2 << 20))
            for (name, problem) in [("a", "no regular file"), ("b", "no regular file"), ("c", "has more than")] {
                #expect(try folders.discovery.lookUp(name).taken?.problem?.contains(problem) == true)
            }
        }
    }

    /// What has a meaning in a URL cannot be in the path of a socket, for engines make one of it.
    @Test(arguments: ["a%zz", "a?b", "a#b", "a%41"])
    func saysThatEnginesMissASocket(name: String) async throws {
        try await withFolders { folders in
            try folders.put(["run/\(name).sock"])
            let taken = try #require(try folders.discovery.lookUp(name).taken)
            #expect(taken.endpoint == nil)
            #expect(taken.problem != nil)
        }
    }
}

/// What engines list, which is not the same as what they find.
@Suite struct PluginScanTests {
    @Test func listsAsEnginesOfItsTime() async throws {
        try await withFolders { folders in
            try folders.put([
                "run/a.sock", "run/b/b.sock", "run/c/other.sock", "run/d/d/d.sock", "etc/e.spec", "etc/f/f.json",
                "etc/g/other.spec", "etc/h.conf", "lib/i.json", "etc/j/j.conf", "etc/e.spec~", "lib/e.json",
                "run/k.spec",
            ])
            symlink(folders.path("run/a.sock"), folders.path("run/link.sock"))
            symlink(folders.path("etc/e.spec"), folders.path("etc/linked.spec"))
            let discovery = folders.discovery
            let new = ["a", "b", "e", "f", "i", "linked"]
            for era in [EngineEra.v18_03, .v23, .v25] { #expect(discovery.scan(as: era).names == new) }
            let old = ["a", "b", "d", "e", "f", "h", "i", "j", "linked", "other"]
            for era in [EngineEra.v1_12, .v1_13] { #expect(discovery.scan(as: era).names == old) }
            // Not all of what old engines list can be used by that name.
            let usable = Set(new + old + ["link", "c/other", "d/d/d", "g/other"]).subtracting(["d", "other"])
            #expect(discovery.names == usable.sorted())
        }
    }

    /// What looks like a managed plugin's name is a path for engines that look for a legacy plugin.
    @Test func findsANameWithASlashAndListsItOnlyForPeople() async throws {
        try await withFolders { folders in
            try folders.put([
                "etc/vieux/sshfs.spec", "etc/vieux/sshfs:latest.spec", "etc/vieux/SSHFS.yaml", "etc/sshfs.spec",
            ])
            let discovery = folders.discovery
            for name in ["vieux/sshfs", "vieux/sshfs:latest"] {
                let taken = try discovery.lookUp(name).taken
                #expect(taken?.path == folders.path("etc/\(name).spec"))
            }
            #expect(discovery.strays(of: "vieux/sshfs") == [folders.path("etc/vieux/SSHFS.yaml")])
            #expect(discovery.scan(as: .v25).names == ["sshfs"])
            #expect(discovery.scan(as: .v1_13).names == ["SSHFS", "sshfs", "sshfs:latest"])
            #expect(discovery.names == ["SSHFS", "sshfs", "vieux/sshfs", "vieux/sshfs:latest"])
            let findings = discovery.eras(try discovery.lookUp("vieux/sshfs"))
            #expect(findings[0].sentences.contains { $0.hasPrefix("'docker volume ls' does not find it") })
        }
    }

    /// A socket may have any suffix to be listed, and only one to be found.
    @Test func listsSocketsThatItDoesNotFind() async throws {
        try await withFolders { folders in
            try folders.put(["run/x.sock"])
            rename(folders.path("run/x.sock"), folders.path("run/x.socket"))
            #expect(folders.discovery.scan(as: .v25).names == ["x"])
            #expect(try folders.discovery.lookUp("x").taken == nil)
        }
    }

    @Test func listsNothingWhereThereAreNoFolders() async throws {
        try await withFolders { folders in
            for era in EngineEra.allCases {
                #expect(folders.discovery.scan(as: era).names.isEmpty)
                #expect(folders.discovery.scan(as: era).problem == nil)
            }
            #expect(folders.discovery.names.isEmpty)
        }
    }

    @Test func putsErasTogetherThatDoTheSame() async throws {
        try await withFolders { folders in
            try folders.put(["etc/deep/x/x.spec", "run/x.sock"])
            let discovery = folders.discovery
            let missing = discovery.eras(try discovery.lookUp("y"))
            #expect(missing.map(\.eras) == [EngineEra.allCases, [.v1_13, .v18_03, .v23, .v25], [.v23], [.v25]])
            #expect(
                missing.map(\.label) == [
                    "every Docker Engine", "Docker 1.13 and later", "Docker 23 to 24", "Docker 25 and later",
                ])
            let found = discovery.eras(try discovery.lookUp("x"))
            #expect(found[0].sentences.contains { $0.hasPrefix("'docker volume ls' finds it") })
            #expect(found[1].label == "Docker 1.12 to 17.12")
            #expect(found[1].sentences == ["sends an empty Host field", "waits for answers for ever"])
            // A socket that no engine lists can be named all the same.
            symlink(folders.path("run/x.sock"), folders.path("run/link.sock"))
            let link = discovery.eras(try discovery.lookUp("link"))
            #expect(link[0].sentences == ["'docker volume ls' does not find it: it is there when it is named"])
        }
    }
}
