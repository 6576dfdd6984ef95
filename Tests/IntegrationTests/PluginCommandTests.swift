// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MobyFSHost
import MobyFSTesting
import PluginCertificates
import Subprocess
import SystemPackage
import Testing

/// What a command printed, its two outputs apart.
private struct Outcome {
    let status: Int32
    let output: String
    let complaints: String
}

/// Runs `mobyfs plugin` with the folders below a root instead of the engine's.
private func plugin(_ arguments: String..., in root: FilePath, input: String = "") async throws -> Outcome {
    var all = ["plugin"] + arguments
    if let address = arguments.dropFirst().first, !address.contains("://") || arguments[0] != "call" {
        all += ["--socket-dir", "\(root)/run", "--spec-dir", "\(root)/etc", "--spec-dir", "\(root)/lib"]
        // Where the daemon writes.
        all += ["--spec-dir", "\(root)/docker/plugins"]
    }
    if arguments[0] == "ls" { all += ["--engine-socket", "\(root)/engine.sock"] }
    let result = try await run(
        .path(RunningDaemon.binary), arguments: Arguments(all), input: .string(input),
        output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
    guard case .exited(let status) = result.terminationStatus else {
        throw CancellationError()
    }
    return Outcome(status: status, output: result.standardOutput, complaints: result.standardError)
}

/// Runs `body` with a root in which there are the folders of an engine.
private func withFolders(_ body: (FilePath) async throws -> Void) async throws {
    try await withTemporaryDirectory { root in
        for folder in ["run", "etc", "lib"] { try Directories.create(root.appending(folder), mode: 0o755) }
        try await body(root)
    }
}

@Suite(.timeLimit(.minutes(2))) struct PluginListTests {
    private struct Listed: Decodable {
        let name: String
        let kind: String
        let address: String
        let state: String
        let implements: [String]
        let milliseconds: Double?
        let notes: [String]
    }

    private func list(_ root: FilePath, _ arguments: String...) async throws -> [String: Listed] {
        let outcome = try await plugin("ls", "--format", "json", arguments.joined(separator: " "), in: root)
        #expect(outcome.status == 0)
        let listed = try JSONDecoder().decode([Listed].self, from: Data(outcome.output.utf8))
        return Dictionary(listed.map { ($0.name, $0) }) { first, _ in first }
    }

    /// Dead, deaf, mad and talkative ones side by side with a good one: the good one is listed at once, and all in time.
    @Test func listsEveryPluginWithoutWaitingForOne() async throws {
        try await withFolders { root in
            let servers = [
                try RawServer(root.appending("run/deaf.sock"), serve: nil),
                try RawServer(root.appending("run/mute.sock")) { $0.waitForEnd() },
                try RawServer(root.appending("run/html.sock")) { connection in
                    _ = try connection.receiveRequest()
                    try connection.answer("<html>hello</html>")
                },
                try RawServer(root.appending("run/huge.sock")) { connection in
                    _ = try connection.receiveRequest()
                    try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
                    while true { try connection.send(String(repeating: "x", count: 65536)) }
                },
                try RawServer(root.appending("run/good.sock")) { connection in
                    _ = try connection.receiveRequest()
                    try connection.answer(#"{"Implements":["VolumeDriver","authz"]}"#)
                },
            ]
            for number in 0..<200 {
                let stale = root.appending("run/stale\(number).sock")
                try makeStaleSocket(stale)
            }
            mkfifo("\(root)/run/fifo.sock", 0o644)
            mkfifo("\(root)/etc/pipe.spec", 0o644)
            try root.appending("etc/two.spec").write("unix:///a\nunix:///b\n")
            let start = ContinuousClock.now
            let plugins = try await list(root, "--timeout=5")
            // What the machine needs to start a process comes on top.
            #expect(ContinuousClock.now - start < .seconds(30))
            #expect(plugins["good"]?.state == "answered")
            #expect(plugins["good"]?.implements == ["VolumeDriver", "authz"])
            #expect(plugins["good"]?.milliseconds ?? 9999 < 5000)
            #expect(plugins["deaf"]?.state == "timed out")
            #expect(plugins["mute"]?.state == "timed out")
            #expect(plugins["html"]?.notes.first?.contains("a page of HTML") == true)
            #expect(plugins["huge"]?.notes.first?.contains("announces an answer of 1073741824 bytes") == true)
            #expect(plugins["pipe"]?.notes.first?.contains("is a FIFO") == true)
            #expect(plugins["two"]?.state == "unusable")
            // No socket, so no plugin.
            #expect(plugins["fifo"] == nil)
            let stale = plugins.values.filter { $0.name.hasPrefix("stale") }
            #expect(stale.count == 200)
            #expect(stale.allSatisfy { $0.notes.first?.contains("is gone; start it, or remove the file") == true })
            _ = servers
        }
    }

    /// A socket that is bound and closed, as a killed plugin leaves it.
    private func makeStaleSocket(_ path: FilePath) throws {
        let descriptor = try check(socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0), "socket")
        defer { close(descriptor) }
        try check(withUnixAddress(path) { bind(descriptor, $0, $1) }, "bind")
    }

    @Test func asksNobodyWhenToldSo() async throws {
        try await withFolders { root in
            let server = try RawServer(root.appending("run/a.sock")) { try $0.answer("{}") }
            try root.appending("etc/a.spec").write("unix:///x\n")
            try root.appending("lib/b.spec").write("unix:///x\n")
            let plugins = try await list(root, "--no-activate")
            #expect(plugins["a"]?.state == "not asked")
            #expect(plugins["a"]?.notes == ["shadows '\(root)/etc/a.spec'"])
            let names = try await plugin("ls", "--quiet", in: root)
            #expect(names.output == "a\nb\n")
            #expect(server.connections == 0)
        }
    }

    @Test func listsTheManagedPluginsOfTheEngine() async throws {
        try await withFolders { root in
            let engine = try RawServer(root.appending("engine.sock")) { connection in
                while try !connection.receiveRequest().contains("/plugins") {
                    try connection.answer(#"{"ApiVersion":"1.41"}"#)
                }
                try connection.answer(
                    """
                    [{"Id":"\(String(repeating: "ab", count: 32))","Name":"vieux/sshfs:latest","Enabled":true,
                    "Config":{"Interface":{"Types":["docker.volumedriver/1.0"],"Socket":"sshfs.sock"}}}]
                    """)
            }
            let plugins = try await list(root, "--timeout=20")
            #expect(plugins["vieux/sshfs:latest"]?.kind == "managed")
            #expect(plugins["vieux/sshfs:latest"]?.state == "enabled")
            #expect(plugins["vieux/sshfs:latest"]?.implements == ["docker.volumedriver/1.0"])
            _ = engine
        }
    }

    @Test func saysThatAnEngineDoesNotAnswerAndListsTheRest() async throws {
        try await withFolders { root in
            let engine = try RawServer(root.appending("engine.sock")) { $0.waitForEnd() }
            try root.appending("etc/a.spec").write("unix:///x\n")
            let outcome = try await plugin("ls", "--timeout=0.5", in: root)
            #expect(outcome.status == 0)
            #expect(outcome.complaints.contains("managed plugins are not listed: "))
            #expect(outcome.output.contains("unix:///x"))
            _ = engine
        }
    }

    /// Anybody may choose the name of a file: what it does to a terminal is nothing.
    @Test func printsNoControlCharactersOfOthers() async throws {
        try await withFolders { root in
            let evil = "e\u{1B}[2J\nvil\u{9B}x\u{202E}"
            try root.appending("etc").appending("\(evil).spec").write("unix:///\u{1B}]0;x\u{7}\n")
            let server = try RawServer(root.appending("run/mad.sock")) { connection in
                _ = try connection.receiveRequest()
                try connection.send("\u{1B}[31mHTTP?\n")
            }
            for arguments in [
                ["ls"], ["ls", "--format=json"], ["ls", "-q"], ["discover", evil], ["discover", "nope"],
            ] {
                let outcome = try await plugin(arguments[0], arguments.dropFirst().first ?? "--timeout=9", in: root)
                for text in [outcome.output, outcome.complaints] {
                    #expect(!text.unicodeScalars.contains { $0.properties.generalCategory == .format }, "\(arguments)")
                    #expect(
                        !text.unicodeScalars.contains { $0.properties.generalCategory == .control && $0 != "\n" },
                        "\(arguments)")
                }
                #expect(!outcome.output.split(separator: "\n").contains { $0.hasPrefix("vil") })
            }
            let call = try await plugin("call", "mad", "A.b", in: root)
            #expect(!call.complaints.contains("\u{1B}"))
            #expect(call.complaints.contains("does not speak HTTP"))
            _ = server
        }
    }
}

@Suite(.timeLimit(.minutes(2))) struct PluginDiscoverTests {
    @Test func showsWhichFileCounts() async throws {
        try await withFolders { root in
            let server = try RawServer(root.appending("run/x.sock"), serve: nil)
            try root.appending("etc/x.json").write(#"{"Addr":"https://h:1"}"#)
            let outcome = try await plugin("discover", "x", in: root)
            #expect(outcome.status == 0)
            let lines = outcome.output.split(separator: "\n").map(String.init)
            #expect(lines[0].hasPrefix("taken     \(root)/run/x.sock"))
            #expect(lines[1].hasPrefix("shadowed  \(root)/etc/x.json"))
            #expect(lines.contains("Docker 25 and later:"))
            let json = try await plugin("discover", "x", "--json", in: root)
            #expect(json.output.contains(#""usable":true"#))
            #expect(json.output.contains(#""verdict":"shadowed""#))
            let same = try await plugin("discover", "x", "--format=json", in: root)
            #expect(same.output == json.output)
            #expect(server.connections == 0)
        }
    }

    @Test func saysWhatIsWrongByItsExitStatus() async throws {
        try await withFolders { root in
            try root.appending("etc/broken.spec").write("localhost:8080\n")
            let broken = try await plugin("discover", "broken", in: root)
            #expect(broken.status == 1)
            #expect(broken.output.contains("engines refuse it: 'localhost:8080' has no host"))
            let missing = try await plugin("discover", "brokn", in: root)
            #expect(missing.status == 2)
            #expect(missing.complaints.contains("did you mean 'broken'?"))
            #expect(missing.output.isEmpty)
            let hostile = try await plugin("discover", "../broken", in: root)
            #expect(hostile.status == 2)
            #expect(hostile.complaints.contains("'../broken' is no name for a plugin"))
        }
    }
}

@Suite(.timeLimit(.minutes(2))) struct PluginCallTests {
    @Test func callsTheDaemon() async throws {
        try await withFolders { root in
            try await withDaemon(in: root) { daemon in
                try root.appending("etc/mobyfs.spec").write("unix://\(daemon.socket)\n")
                let created = try await plugin("call", "mobyfs", "VolumeDriver.Create", #"{"Name":"v"}"#, in: root)
                #expect(created.status == 0)
                #expect(created.output == "{}\n")
                #expect(created.complaints.isEmpty)
                let got = try await plugin("call", "mobyfs", "VolumeDriver.Get", "-", in: root, input: #"{"Name":"v"}"#)
                #expect(got.output.contains(#"{"Volume":{"Name":"v","#))
                let missing = try await plugin("call", "mobyfs", "VolumeDriver.Get", #"{"Name":"w"}"#, in: root)
                #expect(missing.status == 1)
                #expect(missing.output == "{\"Err\":\"no such volume: 'w'\"}\n")
                #expect(missing.complaints == "mobyfs: no such volume: 'w'\n")
                let unknown = try await plugin("call", "unix://\(daemon.socket)", "X.Y", "{}", in: root)
                #expect(unknown.status == 1)
                #expect(unknown.complaints.hasPrefix("mobyfs: X.Y: "))
                let empty = try await plugin("call", "mobyfs", "VolumeDriver.Get", "--no-retry", in: root)
                #expect(empty.status == 2)
                #expect(empty.complaints.contains("it was called with nothing"))
            }
        }
    }

    @Test func showsTheWire() async throws {
        try await withFolders { root in
            try await withDaemon(in: root) { daemon in
                try root.appending("etc/mobyfs.spec").write("unix://\(daemon.socket)\n")
                let outcome = try await plugin("call", "mobyfs", "Plugin.Activate", "--trace", in: root)
                #expect(outcome.output == "{\"Implements\":[\"VolumeDriver\"]}\n")
                let lines = outcome.complaints.split(separator: "\n")
                #expect(lines.first == "* 'mobyfs' is '\(root)/etc/mobyfs.spec': unix://\(daemon.socket)")
                #expect(lines.contains("> POST /Plugin.Activate HTTP/1.1"))
                #expect(lines.contains("< HTTP/1.1 200 OK"))
                #expect(lines.last == "< {\"Implements\":[\"VolumeDriver\"]}")
            }
        }
    }

    @Test func callsOverTLSByNameAndByAddress() async throws {
        try await withFolders { root in
            let certificates = CertificateSet(root.appending("tls"))
            _ = try certificates.create(hosts: [CertifiedHost("localhost")])
            func path(_ file: CertificateSet.File) -> String { certificates.path(of: file).string }
            let arguments = [
                "--listen", "tcp://127.0.0.1:0", "--tls-cert", path(.server), "--tls-key", path(.serverKey), "--tls-ca",
                path(.authority), "--tls-client-cert", path(.client), "--tls-client-key", path(.clientKey),
            ]
            try await withDaemon(in: root, arguments: arguments) { _ in
                let byName = try await plugin("call", "mobyfs", "Plugin.Activate", "--trace", in: root)
                #expect(byName.status == 0)
                #expect(byName.output == "{\"Implements\":[\"VolumeDriver\"]}\n")
                #expect(
                    byName.complaints.contains("* TLS 1.3; the plugin's certificate is for 'localhost', '127.0.0.1'"))
                #expect(byName.complaints.contains("* the plugin asks for a certificate and is shown '"))
                let address = try #require(
                    byName.complaints.split(separator: "\n").first { $0.hasPrefix("* connected to ") }
                        .map { String($0.dropFirst("* connected to ".count)) })
                let naked = try await plugin(
                    "call", address, "Plugin.Activate", "--insecure-skip-verify", "--no-retry", in: root)
                #expect(naked.status == 2)
                #expect(naked.complaints.contains("wants to see a client certificate, and there is none"))
                let foreign = try await plugin("call", address, "Plugin.Activate", "--no-retry", in: root)
                #expect(foreign.complaints.contains("from an unknown authority"), "\(foreign.complaints)")
            }
        }
    }

    @Test func triesAgainAsEnginesDo() async throws {
        try await withFolders { root in
            let server = try RawServer(root.appending("run/late.sock")) { connection in
                let request = try connection.receiveRequest()
                // The first time it hangs up.
                if connection.number == 2 { try connection.answer(#"{"Got":\#(request.suffix(1))}"#) }
            }
            let result = try await plugin("call", "late", "A.b", "7", in: root)
            #expect(result.status == 0)
            #expect(result.output == "{\"Got\":7}\n")
            #expect(result.complaints.hasSuffix("closed the connection without an answer; trying again in 1 s\n"))
            #expect(server.connections == 2)
        }
    }

    /// All attempts take 15 seconds; whoever forgot the JSON need not wait for their end.
    @Test func saysAtTheFirstAttemptWhatMayBeMissing() async throws {
        try await withFolders { root in
            let server = try RawServer(root.appending("run/picky.sock")) { connection in
                _ = try connection.receiveRequest()
                if connection.number == 2 { try connection.answer("{}") }
            }
            let result = try await plugin("call", "picky", "A.b", in: root)
            #expect(result.status == 0)
            let hint = "trying again in 1 s\nit was called with nothing: does it want JSON, such as '{}'?\n"
            #expect(result.complaints.hasSuffix(hint), "\(result.complaints)")
            _ = server
        }
    }

    @Test func takesNoLongerThanItIsTold() async throws {
        try await withFolders { root in
            let server = try RawServer(root.appending("run/mute.sock")) { $0.waitForEnd() }
            let outcome = try await plugin("call", "mute", "A.b", "--timeout=0.3", in: root)
            #expect(outcome.status == 2)
            #expect(outcome.complaints.contains("took the call to A.b and did not answer it within 0.3 s"))
            let missing = try await plugin("call", "unix:///nowhere.sock", "A.b", "--timeout=0.3", in: root)
            #expect(missing.status == 2)
            #expect(missing.complaints.contains("no such file"))
            _ = server
        }
    }

    @Test func sendsOnlyJSONUnlessToldOtherwise() async throws {
        try await withFolders { root in
            let server = try RawServer(root.appending("run/echo.sock")) { connection in
                let request = try connection.receiveRequest()
                try connection.answer(#"{"Got":"\#(request.split(separator: "\r\n").last ?? "")"}"#)
            }
            let refused = try await plugin("call", "echo", "A.b", "{Name}", in: root)
            #expect(refused.status == 2)
            #expect(refused.complaints.contains("that is no JSON"))
            #expect(!refused.complaints.contains("Usage"))
            #expect(server.connections == 0)
            let raw = try await plugin("call", "echo", "A.b", "{Name}", "--raw", in: root)
            #expect(raw.output == "{\"Got\":\"{Name}\"}\n")
        }
    }

    @Test func saysWhichNamesThereAre() async throws {
        try await withFolders { root in
            try root.appending("etc/hello.spec").write("unix:///x\n")
            try root.appending("etc/broken.spec").write("x\n")
            let missing = try await plugin("call", "helo", "A.b", in: root)
            #expect(missing.status == 2)
            #expect(missing.complaints.contains("did you mean 'hello'?\nknown here: broken, hello\n"))
            let broken = try await plugin("call", "broken", "A.b", in: root)
            #expect(broken.status == 2)
            #expect(broken.complaints.contains("'\(root)/etc/broken.spec' is no use: 'x' has no scheme"))
            let path = try await plugin("call", "/run/x.sock", "A.b", in: root)
            #expect(path.status == 2)
            #expect(path.complaints.contains("write unix:///run/x.sock"))
        }
    }
}
