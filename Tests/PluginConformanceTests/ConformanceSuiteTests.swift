// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient
import DockerPluginDiscovery
import MobyFSHost
import MobyFSTesting
import Synchronization
import SystemPackage
import Testing

@testable import PluginConformance

/// What becomes of the run itself.
@Suite(.timeLimit(.minutes(2))) struct ConformanceSuiteTests {
    private static let changes: Set<String> = ["Create", "Remove", "Mount", "Unmount"]

    @Test func changesNothingUnlessAllowedTo() async throws {
        try await withTemporaryDirectory { root in
            let plugin = try TestPlugin(in: root)
            let report = try await verify(in: root, destructive: false)
            #expect(report.broken.isEmpty, "\(report.complaints)")
            let called = Set(plugin.calls.map { String($0.drop { $0 != "." }.dropFirst()) })
            #expect(called.isDisjoint(with: Self.changes))
            for result in report.results where result.check.isDestructive {
                #expect(result.outcome == .skipped)
                #expect(result.evidence.contains("--destructive"))
            }
            plugin.die()
        }
    }

    @Test func asksAVolumePluginThatHasVolumesForThose() async throws {
        try await withTemporaryDirectory { root in
            let plugin = try TestPlugin(in: root, .writesOddTimes)
            plugin.state.withLock { $0.volumes["theirs"] = TestPlugin.Volume() }
            let report = try await verify(in: root, destructive: false)
            #expect(report.broken == ["created-at"], "\(report.complaints)")
            #expect(plugin.names == ["theirs"])
            plugin.die()
        }
    }

    @Test func passesNoOptionsButThoseGiven() async throws {
        try await withTemporaryDirectory { root in
            let bodies = Mutex<[String]>([])
            let server = try RawServer(root.appending("s.sock")) { connection in
                let request = try connection.receiveRequest()
                bodies.withLock { $0.append(request) }
                try connection.answer(
                    request.contains("Activate") ? #"{"Implements":["VolumeDriver"]}"# : #"{"Err":"no"}"#)
            }
            var suite = ConformanceSuite()
            suite.checks = Check.all.filter { $0.id == "create" }
            suite.options = ["size": "1G"]
            suite.allowsChanges = true
            let address = PluginAddress(socket: root.appending("s.sock").string)
            let report = try await suite.run("test", at: PluginEndpoint(address))
            #expect(report.broken == ["create"])
            let creates = bodies.withLock { $0.filter { $0.contains("VolumeDriver.Create") } }
            #expect(creates.count == 1)
            #expect(creates.allSatisfy { $0.contains(#""Opts":{"size":"1G"}"#) })
            withExtendedLifetime(server) {}
        }
    }

    @Test func looksAtOtherPluginsOnlyForWhatConcernsAll() async throws {
        try await withTemporaryDirectory { root in
            let server = try RawServer(root.appending("s.sock")) { connection in
                while true {
                    let request = try connection.receiveRequest()
                    guard !request.isEmpty else { return }
                    if request.hasPrefix("POST /Plugin.Activate") {
                        try connection.answer(#"{"Implements":["authz"]}"#)
                    } else {
                        try connection.answer(#"{"Err":"no"}"#, status: "404 Not Found")
                    }
                }
            }
            let report = try await verify(in: root)
            for result in report.results where ![.nothing, .plugin].contains(result.check.need) {
                #expect(result.outcome == .skipped)
                #expect(result.evidence == "the plugin is no VolumeDriver")
            }
            #expect(report.broken.isDisjoint(with: Check.activation.map(\.id)), "\(report.complaints)")
            withExtendedLifetime(server) {}
        }
    }

    @Test func complainsOfAPluginThatIsNotThere() async throws {
        try await withTemporaryDirectory { root in
            let error = await #expect(throws: PluginClientError.self) { try await verify(in: root) }
            #expect(error?.code == .unreachable)
        }
    }

    /// Connections are taken and nothing is ever said: over after the first calls, not after eighty.
    @Test func endsSoonWithAPluginThatHangs() async throws {
        try await withTemporaryDirectory { root in
            let server = try RawServer(root.appending("s.sock")) { $0.waitForEnd() }
            var limits = Limits.test
            limits.call = .milliseconds(300)
            limits.secondChance = .milliseconds(300)
            let report = try await verify(in: root, limits: limits)
            #expect(report.broken == ["activate-answers"])
            #expect(report.results[0].evidence.contains("no answer within"))
            #expect(report.results[1].evidence.contains("does not answer any more"))
            #expect(report.duration < .seconds(60))
            withExtendedLifetime(server) {}
        }
    }

    /// One that answers all but one call: that is waited for once.
    @Test(arguments: ["Create", "Mount", "Unmount", "Remove", "List"])
    func endsWithAPluginThatHangsInOneCall(method: String) async throws {
        try await withTemporaryDirectory { root in
            let good = try Directories.create(root.appending("good"), mode: 0o755)[0]
            let plugin = try TestPlugin(in: good)
            let server = try RawServer(root.appending("s.sock")) { connection in
                while true {
                    let request = try connection.receiveRequest()
                    guard !request.isEmpty else { return }
                    guard !request.hasPrefix("POST /VolumeDriver.\(method) ") else { return connection.waitForEnd() }
                    let words = request.split(separator: " ")
                    let body = request.firstRange(of: "\r\n\r\n").map { Array(request[$0.upperBound...].utf8) } ?? []
                    switch plugin.answer(String(words[1].dropFirst()), body) {
                    case .reply(let value, let status):
                        try connection.answer(String(decoding: value.encoded, as: UTF8.self), status: "\(status) x")
                    default: return
                    }
                }
            }
            var limits = Limits.test
            limits.call = .milliseconds(300)
            limits.settling = .zero
            let checks = Check.lifecycle + Check.mounts + Check.unmounts
            let report = try await verify(in: root, limits: limits, only: checks)
            #expect(!report.broken.isEmpty)
            #expect(report.duration < .seconds(40), "\(report.complaints)")
            plugin.die()
            withExtendedLifetime(server) {}
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", "hello\r\n", "",
        "HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    ])
    func saysWhatIsWrongWithAnAnswer(answer: String) async throws {
        try await withTemporaryDirectory { root in
            let server = try RawServer(root.appending("s.sock")) { connection in
                _ = try connection.receiveRequest()
                try connection.send(answer)
            }
            let report = try await verify(in: root, only: Check.activation)
            #expect(report.broken == ["activate-answers"], "\(report.complaints)")
            withExtendedLifetime(server) {}
        }
    }

    @Test func tellsWhatItLeavesBehind() async throws {
        try await withTemporaryDirectory { root in
            let plugin = try TestPlugin(in: root, .neverUnmounts)
            let report = try await verify(in: root, only: Check.mounts.filter { $0.id == "mount-get" })
            #expect(report.leftovers.count == 1)
            #expect(report.leftovers[0].contains("it is in use"))
            #expect(plugin.names.count == 1)
            plugin.die()
        }
    }

    /// To remove '..' could remove all there is.
    @Test func neverRemovesWhatItShouldNotHaveBeenGiven() async throws {
        try await withTemporaryDirectory { root in
            let plugin = try TestPlugin(in: root, .takesDots)
            let report = try await verify(in: root, only: Check.names.filter { $0.id == "name-dots" })
            #expect(!plugin.calls.contains("VolumeDriver.Remove"))
            #expect(report.leftovers.count == 1)
            plugin.die()
        }
    }

    @Test func looksNoFurtherAtAPluginThatIsGone() async throws {
        try await withTemporaryDirectory { root in
            let plugin = try TestPlugin(in: root, .diesOfGarbage)
            let checks = Check.all.filter { ["garbage", "list-answers", "get-unknown"].contains($0.id) }
            let report = try await verify(in: root, only: checks)
            #expect(report.broken.first == "garbage")
            // It may take the next call's connection while it dies, and no more than that.
            #expect(report.results.last?.outcome == .skipped)
            #expect(report.results.last?.evidence.hasPrefix("the plugin takes no connections any more since ") == true)
            plugin.die()
        }
    }

    /// What a plugin says may be anything.
    @Test func evidenceIsFitForATerminal() async throws {
        try await withTemporaryDirectory { root in
            let server = try RawServer(root.appending("s.sock")) { connection in
                _ = try connection.receiveRequest()
                try connection.answer("\u{1B}[2J\u{202E}\r\n" + String(repeating: "\u{7}", count: 100_000))
            }
            let report = try await verify(in: root, only: Check.activation)
            let evidence = report.results[0].evidence
            #expect(evidence.contains(#"\u{1b}[2J\u{202e}"#))
            #expect(evidence.utf8.count < 4000)
            #expect(!evidence.unicodeScalars.contains { $0.properties.generalCategory == .control })
            withExtendedLifetime(server) {}
        }
    }
}
