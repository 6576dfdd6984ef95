// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSDaemon
import MobyFSTesting
import SystemPackage
import Testing

@Suite struct ConfigurationTests {
    private func configuration(
        file: String = "", environment: [String: String] = [:], flags: [Setting: String] = [:]
    ) async throws -> Configuration {
        try await withTemporaryDirectory { root in
            let path = root.appending("mobyfs.env")
            try path.write(file)
            return try Configuration(
                from: Configuration.Sources(flags: flags, environment: environment, file: path))
        }
    }

    @Test func hasDefaults() async throws {
        let defaults = try await configuration()
        #expect(defaults.dataDirectory == "/var/lib/mobyfs")
        #expect(defaults.runtimeDirectory == "/run/mobyfs")
        #expect(defaults.specDirectory == "/etc/docker/plugins")
        #expect(defaults.logLevel == .info)
        #expect(defaults.port == nil)
        #expect(defaults.socket == nil)
    }

    @Test func countsFlagsBeforeEnvironmentBeforeFile() async throws {
        let file =
            "# comment\n ; comment\n\nMOBYFS_DATA_DIR=/file\nMOBYFS_RUNTIME_DIR = \"/file\"\nMOBYFS_SPEC_DIR='/file'\n"
        let read = try await configuration(
            file: file, environment: ["MOBYFS_DATA_DIR": "/env", "MOBYFS_RUNTIME_DIR": "/env", "HOME": "/root"],
            flags: [.dataDirectory: "/flag"])
        #expect(read.dataDirectory == "/flag")
        #expect(read.runtimeDirectory == "/env")
        #expect(read.specDirectory == "/file")
    }

    @Test(arguments: [
        ("MOBYFS_DATADIR=/x", "did you mean 'MOBYFS_DATA_DIR'"), ("MOBYFS_DATA_DIR", "is not NAME=VALUE"),
        ("MOBYFS_DATA_DIR=relative", "is not an absolute path"), ("MOBYFS_DATA_DIR=", "is not an absolute path"),
        ("MOBYFS_PORT=99999", "mobyfs.env) is not a port"), ("MOBYFS_PORT=http", "MOBYFS_PORT='http' ("),
        ("MOBYFS_LOG_LEVEL=inof", "is not one of trace, debug, info"), ("MOBYFS_DATA_DIR=\"/x", "has no end"),
        ("PATH=/bin", "unknown setting 'PATH'"),
    ])
    func refusesAFileThatMakesNoSense(line: String, complaint: String) async {
        let error = await #expect(throws: ConfigurationError.self) { try await configuration(file: "\n\(line)\n") }
        #expect(error?.description.contains(complaint) == true, "\(error?.description ?? "")")
    }

    @Test func refusesOneFolderForTwoThings() async {
        await #expect(throws: ConfigurationError.self) {
            try await configuration(flags: [.dataDirectory: "/x", .runtimeDirectory: "/x/"])
        }
    }

    @Test func refusesAnUnknownVariable() async {
        let error = await #expect(throws: ConfigurationError.self) {
            try await configuration(environment: ["MOBYFS_LOGLEVEL": "debug"])
        }
        #expect(error?.description.contains("did you mean 'MOBYFS_LOG_LEVEL'") == true)
    }

    @Test func refusesAFileThatIsAskedForAndNotThere() {
        #expect(throws: ConfigurationError.self) {
            try Configuration(from: Configuration.Sources(flags: [:], environment: [:], file: "/nowhere/mobyfs.env"))
        }
    }

    @Test func saysWhatChanged() async throws {
        let before = try await configuration()
        let after = try await configuration(file: "MOBYFS_PORT=8080\nMOBYFS_LOG_LEVEL=debug")
        #expect(
            after.changes(since: before)
                == ["MOBYFS_PORT: not set → 8080 (at the next start)", "MOBYFS_LOG_LEVEL: info → debug"])
        #expect(before.changes(since: before).isEmpty)
    }
}
