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
        #expect(defaults.listen.isEmpty)
        #expect(defaults.tls == nil)
        #expect(defaults.names.isEmpty)
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
        ("MOBYFS_LISTEN=/run/x.sock", "'/run/x.sock' has no scheme"),
        ("MOBYFS_LISTEN=unix://run/x.sock", "two slashes"),
        ("MOBYFS_LISTEN=localhost:8080", "'localhost:8080' has no host"),
        ("MOBYFS_LISTEN=127.0.0.1:8080", "has no scheme"),
        ("MOBYFS_LISTEN=tcp://127.0.0.1:99999", "'99999' in 'tcp://127.0.0.1:99999' is not a port"),
        ("MOBYFS_LISTEN=tcp://127.0.0.1:1/prefix", "drop the path '/prefix'"),
        ("MOBYFS_LISTEN=https://127.0.0.1:1", "MOBYFS_TLS_CERT"),
        ("MOBYFS_LISTEN=tcp://0.0.0.0:1", "--insecure (MOBYFS_INSECURE=true)"),
        ("MOBYFS_LISTEN=tcp://0.0.0.0:1", "MOBYFS_TLS_CERT, MOBYFS_TLS_KEY, MOBYFS_TLS_CA"),
        ("MOBYFS_LISTEN=tcp://localhost.evil:1", "--insecure"),
        ("MOBYFS_INSECURE=perhaps", "is not true or false"), ("MOBYFS_SHARED=perhaps", "is not auto, true or false"),
        ("MOBYFS_TLS_CERT=/c", "MOBYFS_TLS_KEY is not set"),
        ("MOBYFS_TLS_CLIENT_KEY=/c", "MOBYFS_TLS_CERT is not set"), ("MOBYFS_NAMES=a//b", "is no name for a plugin"),
        ("MOBYFS_NAMES=mobyfs", "the daemon's own name"), ("MOBYFS_NAMES=a;a", "given twice"),
        ("MOBYFS_NAMES=a uid=1", "write 'a: OPTION=VALUE'"), ("MOBYFS_NAMES=a: =1", "'=1' after the name 'a'"),
        ("MOBYFS_NAMES=a: x=\"1", "has no end"), ("MOBYFS_NAMES=a:b:c", "is no name for a plugin"),
        ("MOBYFS_NAMES=a/../b", "is no name for a plugin"), ("MOBYFS_NAMES=a:mode=1", "'NAME: OPTION=VALUE'"),
        ("MOBYFS_NAMES=control", "choose another name"),
        ("MOBYFS_LISTEN=unix:///run/mobyfs/control.sock", "choose another address"),
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

    @Test func takesAnyNumberOfAddressesAndThePortBehindThem() async throws {
        let read = try await configuration(
            file: "MOBYFS_LISTEN=unix:///run/../run/x.sock, tcp://[::1]:2\nMOBYFS_PORT=0\n")
        #expect(
            read.listen == [.unix("/run/x.sock"), .tcp(host: "::1", port: 2), .tcp(host: "127.0.0.1", port: 0)])
    }

    @Test func takesPlainTCPFromAnywhereOnlyIfToldSo() async throws {
        let address = "MOBYFS_LISTEN=tcp://0.0.0.0:1\n"
        #expect(try await configuration(file: address + "MOBYFS_INSECURE=yes").listen.count == 1)
        let tls = "MOBYFS_TLS_CERT=/c\nMOBYFS_TLS_KEY=/k\nMOBYFS_TLS_CA=/a\n"
        #expect(try await configuration(file: address + tls).tls?.certificate == "/c")
    }

    @Test func readsNamesWithOptionsAndQuotes() async throws {
        let names = try await configuration(
            file: #"MOBYFS_NAMES=local-persist; scratch: on-remove=trash mountpoint="/a \"b\"; c" mode="#
        ).names
        #expect(names.map(\.name) == ["local-persist", "scratch"])
        #expect(names.first?.defaults.isEmpty == true)
        #expect(names.last?.defaults == ["on-remove": "trash", "mountpoint": #"/a "b"; c"#, "mode": ""])
    }

    /// Compose files have the names of managed plugins, whose colon is none before options.
    @Test func readsNamesOfManagedPlugins() async throws {
        let file = "MOBYFS_NAMES=vieux/sshfs:latest: type=fuse.sshfs; vieux/sshfs: ; vieux/sshfs:1; h:5000/a/b:c"
        let names = try await configuration(file: file).names
        #expect(names.map(\.name) == ["vieux/sshfs:latest", "vieux/sshfs", "vieux/sshfs:1", "h:5000/a/b:c"])
        #expect(names.map(\.defaults) == [["type": "fuse.sshfs"], [:], [:], [:]])
        #expect(
            names.map(\.fileName) == ["vieux+sshfs@latest", "vieux+sshfs", "vieux+sshfs@1", "h@5000+a+b@c"])
    }

    @Test(arguments: [
        "MOBYFS_LISTEN=unix:///run/mobyfs/a.sock\nMOBYFS_NAMES=a", "MOBYFS_LISTEN=unix:///a unix:///b/../a",
        "MOBYFS_LISTEN=tcp://127.0.0.1:1\nMOBYFS_PORT=1",
    ])
    func refusesToServeAnAddressTwice(file: String) async {
        let error = await #expect(throws: ConfigurationError.self) { _ = try await configuration(file: file) }
        #expect(error?.description.contains("would be served twice") == true)
    }

    @Test func takesAnyNumberOfPortsThatTheKernelChooses() async throws {
        #expect(try await configuration(file: "MOBYFS_LISTEN=tcp://127.0.0.1:0 tcp://127.0.0.1:0").listen.count == 2)
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

    /// What a user sees first of all settings.
    @Test func theShippedFileExplainsEachSetting() throws {
        let package = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
        let text = try package.appending("etc/mobyfs/mobyfs.env").text
        let lines = text.split(separator: "\n").map { String($0) }
        let names = lines.filter { $0.hasPrefix("#MOBYFS_") }.map { String($0.dropFirst().prefix { $0 != "=" }) }
        #expect(names.sorted() == Setting.allCases.map(\.rawValue).sorted())
        for setting in Setting.allCases {
            guard let value = setting.defaultValue else { continue }
            #expect(lines.contains("#\(setting.rawValue)=\(value)"), "the default of \(setting.rawValue)")
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
