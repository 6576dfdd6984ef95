// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MobyFSTesting
import Subprocess
import Synchronization
import SystemPackage
import Testing

/// `mobyfs plugin install` of a managed plugin: nothing is granted that nobody agreed to.
@Suite struct PluginInstallTests {
    /// What the engine was asked.
    private final class Requests: Sendable {
        let all = Mutex<[String]>([])
        var pulls: Int { all.withLock { $0.filter { $0.contains("/plugins/pull") }.count } }
    }

    @Test func withoutATerminalNothingIsGranted() async throws {
        try await withEngine { engine, requests in
            let result = try await install(engine, [], answer: "y\n")
            #expect(result.status == 1)
            #expect(result.output.contains("'p' asks for mount: /srv; capabilities: CAP_SYS_ADMIN"))
            #expect(result.output.contains("--grant-all-permissions"))
            #expect(requests.pulls == 0)
        }
    }

    @Test func theFlagGrantsAllAndSaysWhat() async throws {
        try await withEngine { engine, requests in
            let result = try await install(engine, ["--grant-all-permissions"], answer: "")
            #expect(result.status == 0, "\(result.output)")
            #expect(result.output.contains("  mount: /srv\n  capabilities: CAP_SYS_ADMIN\n"))
            #expect(result.output.contains("installed 'p:latest', enabled: it implements docker.volumedriver/1.0"))
            #expect(requests.pulls == 1)
        }
    }

    @Test(
        .enabled(if: FilePath("/usr/bin/script").exists, "needs script(1), for a terminal"),
        arguments: [("y", true), ("yes", true), ("n", false), ("", false), ("maybe", false)])
    func aPersonIsAsked(answer: String, isGranted: Bool) async throws {
        try await withEngine { engine, requests in
            let result = try await install(engine, [], answer: "\(answer)\n", onTerminal: true)
            #expect((result.status == 0) == isGranted, "\(result.output)")
            #expect(result.output.contains("grant all of this? [y/N]"))
            #expect(result.output.contains("nothing was installed") == !isGranted)
            #expect(requests.pulls == (isGranted ? 1 : 0))
        }
    }

    private func install(
        _ engine: FilePath, _ arguments: [String], answer: String, onTerminal: Bool = false
    ) async throws -> (status: Int32, output: String) {
        var command = [RunningDaemon.binary.string, "plugin", "install", "p"] + arguments
        // It types the answer ahead.
        if onTerminal { command = ["/usr/bin/script", "-qec", command.joined(separator: " "), "/dev/null"] }
        let result = try await run(
            .path(FilePath(command.removeFirst())), arguments: Arguments(command),
            environment: .inherit.updating(["DOCKER_HOST": "unix://\(engine)"]), input: .string(answer),
            output: .string(limit: 1 << 20), error: .combinedWithOutput)
        guard case .exited(let status) = result.terminationStatus else { return (-1, result.standardOutput) }
        return (status, result.standardOutput)
    }

    /// The engine refuses with the same status what is in use, what is disabled already and what is enabled.
    @Test(arguments: [
        (["rm"], true, "disable it first, or do it all the same with --force"),
        (["rm", "--force"], true, nil), (["disable"], true, "to stop it all the same, add --force"),
        (["disable"], false, nil), (["disable", "--force"], true, nil), (["enable"], true, nil),
    ])
    func saysWhatHelpsWhereTheEngineRefuses(command: [String], isEnabled: Bool, hint: String?) async throws {
        try await withTemporaryDirectory { root in
            let server = try RawServer(root.appending("docker.sock")) { connection in
                while case let request = try connection.receiveRequest(), !request.isEmpty {
                    let isRefused = request.contains("/disable") || request.contains("/enable")
                    try isRefused || request.hasPrefix("DELETE")
                        ? connection.answer(#"{"message":"it is so"}"#, status: "409 Conflict")
                        : connection.answer(
                            Self.answer(to: request).replacing("\"Enabled\":true", with: "\"Enabled\":\(isEnabled)"))
                }
            }
            let result = try await run(
                .path(RunningDaemon.binary), arguments: Arguments(["plugin"] + command + ["p"]),
                environment: .inherit.updating(["DOCKER_HOST": "unix://\(root)/docker.sock"]), input: .none,
                output: .string(limit: 1 << 20), error: .combinedWithOutput)
            #expect(result.terminationStatus == .exited(1))
            let lines = result.standardOutput.split(separator: "\n")
            #expect(lines.count == 1 && lines[0].contains("it is so"), "\(lines)")
            #expect(lines.first?.hasSuffix(hint.map { ": \($0)" } ?? "it is so") == true, "\(lines)")
            withExtendedLifetime(server) {}
        }
    }

    /// Engines look for it in vain from then on, and it for them.
    @Test(arguments: [true, false])
    func saysOfARemovedFileThatThePluginStillListens(isListening: Bool) async throws {
        try await withTemporaryDirectory { root in
            let address = "unix://\(root)/p.sock"
            let place = ["--spec-dir", "\(root)/plugins"]
            var server: RawServer?
            if isListening {
                server = try RawServer(root.appending("p.sock")) { connection in
                    _ = try connection.receiveRequest()
                    try connection.answer(#"{"Implements":["VolumeDriver"]}"#)
                }
            }
            let written = try await runToEnd(["spec", "write", "--name", "p", "--address", address] + place)
            #expect(written.status == 0, "\(written.output)")
            let result = try await run(
                .path(RunningDaemon.binary), arguments: Arguments(["plugin", "rm", "p"] + place),
                environment: .inherit.updating(["DOCKER_HOST": "unix://\(root)/none.sock"]), input: .none,
                output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
            #expect(result.terminationStatus == .exited(0))
            #expect(result.standardOutput.contains("removed '\(root)/plugins/p.spec'"))
            let words = "'mobyfs spec write --name p --address \(address)'"
            #expect(result.standardError.contains(words) == isListening, "\(result.standardError)")
            withExtendedLifetime(server) {}
        }
    }

    /// Runs `body` with an engine whose registry has a plugin that asks for much.
    private func withEngine(_ body: (FilePath, Requests) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            let requests = Requests()
            let server = try RawServer(root.appending("docker.sock")) { connection in
                while case let request = try connection.receiveRequest(), !request.isEmpty {
                    requests.all.withLock { $0.append(request) }
                    try connection.answer(Self.answer(to: request))
                }
            }
            try await body(root.appending("docker.sock"), requests)
            withExtendedLifetime(server) {}
        }
    }

    private static func answer(to request: String) -> String {
        if request.hasPrefix("GET /version") { return #"{"ApiVersion":"1.41"}"# }
        if request.contains("/plugins/privileges") {
            return #"[{"Name":"mount","Value":["/srv"]},{"Name":"capabilities","Value":["CAP_SYS_ADMIN"]}]"#
        }
        guard request.hasPrefix("GET") else { return "" }
        return #"""
            {"Id":"0123456789ab","Name":"p:latest","Enabled":true,
            "Config":{"Interface":{"Types":["docker.volumedriver/1.0"],"Socket":"s.sock"}}}
            """#
    }
}
