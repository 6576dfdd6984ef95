// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery
import MobyFSTesting
import SystemPackage
import Testing

@testable import MobyFSDaemon
@testable import MobyFSHost

/// What is found on the host without a daemon.
@Suite struct HostDoctorTests {
    private func configuration(in root: FilePath) throws -> Configuration {
        let environment = [
            "MOBYFS_SPEC_DIR": "\(root)/plugins", "MOBYFS_DATA_DIR": "\(root)/data",
            "MOBYFS_RUNTIME_DIR": "\(root)/run",
        ]
        return try Configuration(
            from: Configuration.Sources(flags: [:], environment: environment, file: "/dev/null"))
    }

    /// The spec files that are told of, by what is said of them.
    private func specFindings(in root: FilePath) throws -> [String: FindingDetails] {
        let findings = HostDoctor(try configuration(in: root)).findings().filter { $0.kind == "spec" }
        return Dictionary(uniqueKeysWithValues: findings.map { ($0.subject, $0) })
    }

    @Test(arguments: ["mobyfs", "bar2", "vieux/sshfs"], ["spec", "json"])
    func tellsOfASpecFileThatLeadsNowhere(name: String, form: String) async throws {
        try await withTemporaryDirectory { root in
            let file = root.appending("plugins/\(name).\(form)")
            try Directories.create(file.removingLastComponent(), mode: 0o755)
            let address = "unix://\(root)/x.sock"
            try file.write(form == "spec" ? "\(address)\n" : "{\"Name\": \"\(name)\", \"Addr\": \"\(address)\"}\n")
            let finding = try specFindings(in: root)[file.string]
            #expect(finding?.reason.contains("'\(root)/x.sock', where there is no socket") == true)
            #expect(finding?.isRepairable == false)
            #expect(finding?.advice.contains(name) == true)

            let server = try RawServer(root.appending("x.sock"), serve: nil)
            #expect(try specFindings(in: root).isEmpty)
            withExtendedLifetime(server) {}
        }
    }

    @Test(arguments: [
        ("garbage", "spec"), ("unix://x.sock\n", "spec"), ("", "spec"), ("/x.sock\n", "spec"),
        ("{\"Name\": \"x\", \"Addr\"", "json"),
    ])
    func tellsOfASpecFileThatIsNoUse(text: String, form: String) async throws {
        try await withTemporaryDirectory { root in
            let file = root.appending("plugins/x.\(form)")
            try Directories.create(file.removingLastComponent(), mode: 0o755)
            try file.write(text)
            let finding = try specFindings(in: root)[file.string]
            #expect(finding?.reason.hasPrefix("engines cannot use it") == true, "\(String(describing: finding))")
        }
    }

    /// The socket unit has the file written when it starts, and never again.
    @Test func tellsOfASocketThatNoFileLeadsTo() async throws {
        try await withTemporaryDirectory { root in
            // No name that an engine of this host may know.
            let file = SpecFile(name: "mobyfs-\(UInt32.random(in: 0 ... .max))", directory: "\(root)/plugins")
            let socket = root.appending("x.sock")
            let check = AnnouncementCheck(unit: root.appending("unit"), socket: socket, file: file)
            let server = try RawServer(socket, serve: nil)
            #expect(check.findings().isEmpty, "there is no such unit here")

            try root.appending("unit").write("")
            let finding = try #require(check.findings().first)
            #expect(finding.kind == "spec" && finding.subject == file.path(.spec))
            #expect(finding.advice.contains("mobyfs spec write") && !finding.isRepairable)

            try file.write(PluginEndpoint(PluginAddress(socket: socket.string)))
            #expect(check.findings().isEmpty)
            try file.remove()
            try Files.unlink(socket)
            #expect(check.findings().isEmpty, "the unit does not listen")
            withExtendedLifetime(server) {}
        }
    }

    /// While the disk with the volumes is not mounted, none of them is there.
    @Test func tellsOfMountsWithoutAVolumeOnlyWhereThePoolIsThere() async throws {
        try await withTemporaryDirectory { root in
            let units = root.appending("units")
            let check = MountCheck(try configuration(in: root), mountUnits: MountUnits(in: [units]))
            let lines = ["db", "gone", "draft-1"].map { "36 35 0:50 / \(root)/run/mounts/\($0) rw - tmpfs tmpfs rw\n" }
            let table = MountTable(parsing: Array(lines.joined().utf8))
            #expect(check.findings(in: table).isEmpty)

            try Directories.create(root.appending("data/volumes"), mode: 0o755)
            #expect(check.findings(in: table).isEmpty, "it may be the folder below the disk")
            try Directories.create(root.appending("data/volumes/db"), mode: 0o755)
            #expect(check.findings(in: table).map(\.subject) == ["\(root)/run/mounts/gone"])

            try Directories.create(units, mode: 0o755)
            try units.appending(MountUnits.name(of: root.appending("data"))).write("[Mount]")
            #expect(check.findings(in: table).isEmpty, "its disk is not mounted")
        }
    }

    /// No plugin is called to find out whether it is there.
    @Test func leavesASpecFileAloneThatLeadsToAPort() async throws {
        try await withTemporaryDirectory { root in
            let file = root.appending("plugins/other.spec")
            try Directories.create(file.removingLastComponent(), mode: 0o755)
            try file.write("tcp://127.0.0.1:1\n")
            #expect(try specFindings(in: root).isEmpty)
        }
    }
}
