// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MobyFSHost
import MobyFSTesting
import Subprocess
import SystemPackage
import Testing

/// `mobyfs plugin verify`, the built binary, against the built daemon and against another's plugin.
@Suite(.timeLimit(.minutes(5))) struct VerifyTests {
    struct Report: Decodable {
        struct Result: Decodable {
            let id: String
            let outcome: String
            let evidence: String
        }

        let checks: [Result]
        let leftovers: [String]

        /// The rules that were seen broken.
        func broken(_ outcome: String) -> Set<String> {
            Set(checks.filter { $0.outcome == outcome }.map(\.id))
        }
    }

    /// Runs the command for its JSON.
    private func verify(_ arguments: String...) async throws -> (status: Int32, report: Report) {
        let (status, output) = try await runToEnd(["plugin", "verify", "--format", "json"] + arguments)
        let json = output.split(separator: "\n").first { $0.hasPrefix("{") } ?? ""
        return (status, try JSONDecoder().decode(Report.self, from: Data(json.utf8)))
    }

    @Test func theDaemonKeepsEveryRule() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                let (status, report) = try await verify("unix://\(daemon.socket)", "--destructive")
                let others = report.checks.filter { $0.outcome != "passed" }
                #expect(others.map { "\($0.id): \($0.evidence)" } == [])
                #expect(report.leftovers == [])
                #expect(status == 0)
                #expect(try await daemon.call("VolumeDriver.List", "{}") == #"{"Volumes":[]}"#)
            }
        }
    }

    /// Over TCP engines are not told from one another, and the daemon counts in another way.
    @Test func theDaemonKeepsEveryRuleOverTCP() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root, arguments: ["--listen", "tcp://127.0.0.1:0"]) { daemon in
                // A name finds what the daemon has written for engines.
                let (status, report) = try await verify(
                    "mobyfs", "--destructive", "--spec-dir", daemon.specDirectory.string, "--socket-dir",
                    root.appending("none").string)
                #expect(report.broken("failed").union(report.broken("warning")) == [])
                // There is no empty Host over TCP.
                #expect(report.broken("skipped") == ["host-empty", "host-localhost"])
                #expect(status == 0)
            }
        }
    }

    @Test func theDaemonKeepsTheRulesOverTLS() async throws {
        try await withTemporaryDirectory { root in
            let tls = root.appending("tls")
            #expect(
                try await runToEnd(["tls", "create", "--quiet", "--host", "localhost", "--dir", tls.string]).status == 0
            )
            let arguments = [
                "--listen", "tcp://127.0.0.1:0", "--tls-ca", "\(tls)/ca.pem", "--tls-cert", "\(tls)/server-cert.pem",
                "--tls-key", "\(tls)/server-key.pem", "--tls-client-cert", "\(tls)/client-cert.pem",
                "--tls-client-key", "\(tls)/client-key.pem",
            ]
            try await withDaemon(in: root, arguments: arguments) { daemon in
                // The certificates are in the file that the daemon writes for engines.
                let (status, output) = try await runToEnd([
                    "plugin", "verify", "mobyfs", "--spec-dir", daemon.specDirectory.string, "--socket-dir",
                    root.appending("none").string,
                ])
                #expect(status == 0)
                #expect(output.contains("0 failed, 0 warnings"), "\(output)")
                let file = try daemon.specDirectory.appending("mobyfs.json").text
                let address = try #require(file.split(separator: "\"").first { $0.hasPrefix("https://") })
                let stranger = try await runToEnd([
                    "plugin", "verify", String(address), "--tls-ca", "\(tls)/ca.pem",
                ])
                #expect(stranger.status == 2)
                #expect(stranger.output.contains("wants to see a client certificate"), "\(stranger.output)")
            }
        }
    }

    @Test func changesNothingUnlessToldTo() async throws {
        try await withTemporaryDirectory { root in
            try await withDaemon(in: root) { daemon in
                #expect(try await daemon.call("VolumeDriver.Create", #"{"Name":"theirs"}"#) == "{}")
                let before = try await daemon.call("VolumeDriver.List", "{}")
                let (status, output) = try await runToEnd(["plugin", "verify", "unix://\(daemon.socket)"])
                #expect(status == 0)
                #expect(output.contains("0 failed, 0 warnings"), "\(output)")
                #expect(output.contains("need --destructive"))
                #expect(try await daemon.call("VolumeDriver.List", "{}") == before)
            }
        }
    }

    @Test func saysHowItWentByItsExitStatus() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let none = try await runToEnd(["plugin", "verify", "unix://\(path)"])
            #expect(none.status == 2)
            #expect(none.output.hasPrefix("mobyfs: cannot connect to"), "\(none.output)")
            let unknown = try await runToEnd(
                ["plugin", "verify", "nosuch", "--socket-dir", root.string, "--spec-dir", root.string])
            #expect(unknown.status == 2)

            let server = try RawServer(path) { connection in
                _ = try connection.receiveRequest()
                try connection.answer("<html>")
            }
            let bad = try await runToEnd(["plugin", "verify", "unix://\(path)", "--only", "activate-answers"])
            #expect(bad.status == 1)
            #expect(bad.output.hasPrefix("FAIL activate-answers "))
            #expect(bad.output.contains("0 ok, 1 failed, 0 warnings, 0 skipped"), "\(bad.output)")
            withExtendedLifetime(server) {}
        }
    }

    @Test func listsItsRulesAndAsksNobody() async throws {
        let (status, output) = try await runToEnd(["plugin", "verify", "--list"])
        #expect(status == 0)
        #expect(output.contains("\nget-empty "))
        #expect(output.contains("required; volume plugins, with --destructive; moby "))
        let one = try await runToEnd(["plugin", "verify", "--list", "--only", "mount,get-empty", "--format", "json"])
        #expect(one.output.contains(#""id":"get-empty""#))
        #expect(one.output.components(separatedBy: #""id""#).count == 3)
    }

    @Test(arguments: [
        (["--only", "get-emty", "x"], "did you mean 'get-empty'?"), ([], "which plugin?"),
        (["x", "--opt", "size"], "is not KEY=VALUE"), (["x", "--timeout", "0"], "is no time to wait"),
        (["--list", "--format", "junit"], "knows the formats"),
    ])
    func complainsOfAWrongCommandLine(arguments: [String], complaint: String) async throws {
        let (status, output) = try await runToEnd(["plugin", "verify"] + arguments)
        #expect(status == 2)
        #expect(output.contains(complaint), "\(output)")
    }

    /// What a parser that others wrote makes of it, with evidence that has all there is to escape in it.
    @Test(.enabled(if: Programs.has("python3"), "there is no python3"))
    func writesXMLThatIsWellFormed() async throws {
        try await withTemporaryDirectory { root in
            let server = try RawServer(root.appending("s.sock")) { connection in
                _ = try connection.receiveRequest()
                try connection.answer("<&\"']]>\u{1B}\u{0}\u{FFFE}\u{1F4BE}", status: "500 Oops")
            }
            let (status, output) = try await runToEnd(
                ["plugin", "verify", "unix://\(root)/s.sock", "--format", "junit", "--destructive"])
            #expect(status == 1)
            let script = """
                import sys, xml.etree.ElementTree as tree
                suite = tree.fromstring(sys.stdin.read()).find("testsuite")
                cases = suite.findall("testcase")
                assert len(cases) == int(suite.get("tests")) > 80
                assert len(suite.findall("testcase/failure")) == int(suite.get("failures")) > 0
                assert len(suite.findall("testcase/skipped")) == int(suite.get("skipped")) > 0
                print(suite.find("testcase/failure").get("message"))
                """
            let parsed = try await run(
                .name("python3"), arguments: ["-c", script], input: .string(output), output: .string(limit: 1 << 20),
                error: .combinedWithOutput)
            #expect(parsed.terminationStatus == .exited(0))
            #expect(parsed.standardOutput.contains(#"<&"']]>\u{1b}\u{0}"#), "\(parsed.standardOutput)")
            withExtendedLifetime(server) {}
        }
    }
}

/// Programs of this machine.
enum Programs {
    static func has(_ name: String) -> Bool {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return folders.contains { access("\($0)/\(name)", X_OK) == 0 }
    }
}
