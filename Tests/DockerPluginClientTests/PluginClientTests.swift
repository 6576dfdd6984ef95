// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient
import DockerPluginDiscovery
import DockerPluginServer
import Logging
import MobyFSTesting
import Synchronization
import SystemPackage
import Testing

extension PluginClient {
    /// A client of a unix socket that gives up soon.
    static func soon(
        _ path: FilePath, retries: RetrySchedule = .none, _ configure: (inout Configuration) -> Void = { _ in }
    ) -> PluginClient {
        var configuration = Configuration()
        configuration.retries = retries
        configuration.callLimit = .seconds(50)
        configure(&configuration)
        return PluginClient(PluginEndpoint(PluginAddress(socket: path.string)), configuration: configuration)
    }
}

/// Calls that a plugin answers.
@Suite struct PluginClientTests {
    private final class Plugin: VolumePlugin {
        var scope: VolumeScope { .local }
        func create(_ name: String, options: [String: String]?) async throws {}
        func remove(_ name: String) async throws { throw InUse() }
        func mount(_ name: String, id: String, for engine: Caller) async throws -> String { "/m/\(name)" }
        func unmount(_ name: String, id: String) async throws {}
        func path(_ name: String) throws -> String { "/m" }
        func get(_ name: String) throws -> VolumeInfo { VolumeInfo(name: name) }
        func list() throws -> [VolumeInfo] { [] }

        struct InUse: Error, CustomStringConvertible {
            let description = "volume 'v' is in use"
        }
    }

    private func withServer(_ body: (FilePath) async throws -> Void) async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let configuration = PluginServer.Configuration(listeners: [.unix(path: path.string)])
            let server = PluginServer(
                configuration, subsystems: [VolumeSubsystem(Plugin())],
                logger: .silent)
            let listening = AsyncStream<Void>.makeStream()
            let running = Task { try await server.run { _ in listening.continuation.finish() } }
            for await _ in listening.stream {}
            defer { running.cancel() }
            try await body(path)
            running.cancel()
            try await running.value
        }
    }

    @Test func asksAPluginWhatItImplements() async throws {
        try await withServer { path in
            let implements = try await PluginClient.soon(path).activate()
            #expect(implements == ["VolumeDriver"])
        }
    }

    @Test func callsAndReadsTheAnswer() async throws {
        try await withServer { path in
            let answer = try await PluginClient.soon(path)
                .call("VolumeDriver.Mount", ["Name": "v", "ID": "i"])
            #expect(answer["Mountpoint"] == "/m/v")
        }
    }

    /// An engine shows the text of an `Err` as it is.
    @Test func reportsWhatThePluginRefusesInItsOwnWords() async throws {
        try await withServer { path in
            let error = await #expect(throws: PluginClientError.self) {
                try await PluginClient.soon(path).call("VolumeDriver.Remove", ["Name": "v"])
            }
            #expect(error?.code == .refused)
            #expect(error?.description == "volume 'v' is in use")
            #expect(error?.status == 200)
        }
    }

    /// With any other status an engine puts the method before the text.
    @Test func namesTheMethodWhereThereIsNone() async throws {
        try await withServer { path in
            let error = await #expect(throws: PluginClientError.self) {
                try await PluginClient.soon(path).call("Volume.Frobnicate", [:])
            }
            #expect(error?.code == .refused)
            #expect(error?.status == 404)
            #expect(error?.description.hasPrefix("Volume.Frobnicate: ") == true)
        }
    }

    @Test func callsInParallel() async throws {
        try await withServer { path in
            let client = PluginClient.soon(path)
            try await withThrowingTaskGroup(of: JSONValue?.self) { group in
                for number in 0..<100 {
                    group.addTask {
                        try await client.call("VolumeDriver.Get", ["Name": .string("v\(number)")])["Volume"]
                    }
                }
                var names: Set<String> = []
                for try await volume in group { names.insert(volume?["Name"]?.string ?? "") }
                #expect(names.count == 100)
            }
        }
    }

    /// Nothing but the body differs from what Go's client writes for an engine.
    @Test func writesRequestsAsEnginesDo() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let requests = AsyncStream<String>.makeStream()
            let server = try RawServer(path) { connection in
                requests.continuation.yield(try connection.receiveRequest())
                try connection.answer("{}")
            }
            _ = try await PluginClient.soon(path).call("VolumeDriver.Get", ["Name": "v"])
            for await request in requests.stream {
                #expect(
                    request == """
                        POST /VolumeDriver.Get HTTP/1.1\r
                        Host: plugin.moby.localhost\r
                        User-Agent: Go-http-client/1.1\r
                        Accept: application/vnd.docker.plugins.v1.2+json\r
                        Content-Length: 13\r
                        \r
                        {"Name":"v"}

                        """)
                break
            }
            _ = try await PluginClient.soon(path).activate()
            for await request in requests.stream {
                #expect(request.hasSuffix("Content-Length: 0\r\n\r\n"))
                break
            }
            #expect(server.connections == 2)
        }
    }

    /// An engine's second attempt has lost its body.
    @Test func triesAgainWithTheWholeBody() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let server = try RawServer(path) { connection in
                let request = try connection.receiveRequest()
                if connection.number == 3 {
                    try connection.answer(#"{"Err":"","Got":"\#(request.hasSuffix("\"v\"}\n"))"}"#)
                }
            }
            let client = PluginClient.soon(
                path, retries: RetrySchedule(firstPause: .milliseconds(1), limit: .seconds(60)))
            #expect(try await client.call("VolumeDriver.Create", ["Name": "v"])["Got"] == "true")
            #expect(server.connections == 3)
        }
    }

    @Test func triesNoCallAgainThatWasAnswered() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let server = try RawServer(path) { connection in
                _ = try connection.receiveRequest()
                try connection.answer("{\"Err\":\"out of order\"}", status: "500 Internal Server Error")
            }
            let error = await #expect(throws: PluginClientError.self) {
                try await PluginClient.soon(path, retries: .engine).call("VolumeDriver.List", [:])
            }
            #expect(error?.description == "VolumeDriver.List: out of order")
            #expect(server.connections == 1)
        }
    }

    /// 0, 1, 3, 7 and 15 seconds after the first, if each attempt fails at once.
    @Test func pausesAsEnginesDo() {
        var elapsed = Duration.zero
        var attempts = 1
        while let pause = RetrySchedule.engine.pause(after: attempts, elapsed: elapsed) {
            elapsed += pause
            attempts += 1
        }
        #expect(attempts == 5)
        #expect(elapsed == .seconds(15))
        #expect(RetrySchedule.engine.pause(after: 1, elapsed: .seconds(29)) == nil)
        #expect(RetrySchedule.none.pause(after: 1, elapsed: .zero) == nil)
    }

    @Test func tellsWhatGoesOverTheWire() async throws {
        try await withServer { path in
            let events = Mutex<[TraceEvent]>([])
            _ = try await PluginClient.soon(path) { $0.trace = { event in events.withLock { $0.append(event) } } }
                .activate()
            let seen = events.withLock { $0 }
            guard seen.count >= 3, case .note(let note) = seen[0], case .sent(let request) = seen[1],
                case .received(let answer) = seen[2]
            else {
                Issue.record("\(seen)")
                return
            }
            #expect(note == "connected to unix://\(path)")
            #expect(String(decoding: request, as: UTF8.self).hasPrefix("POST /Plugin.Activate HTTP/1.1\r\n"))
            #expect(String(decoding: answer, as: UTF8.self).hasSuffix("{\"Implements\":[\"VolumeDriver\"]}"))
        }
    }

    @Test(arguments: ["", "a b", "x\r\nHost: y", "a?b"])
    func refusesWhatIsNoMethod(method: String) async throws {
        let error = await #expect(throws: PluginClientError.self) {
            try await PluginClient.soon("/nowhere").call(method)
        }
        #expect(error?.code == .misconfigured)
    }
}
