// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginServer
import Glibc
import MobyFSTesting
import Testing

@Suite struct ObserverTests {
    private let get = #"{"Name":"v"}"#

    @Test func isToldOfEachCall() async throws {
        let calls = AsyncStream<AnsweredCall>.makeStream()
        let observe: @Sendable (AnsweredCall) -> Void = { calls.continuation.yield($0) }
        try await withServer(MemoryPlugin(), configure: { $0.observer = observe }) { server in
            let wire = try server.connect()
            _ = try await wire.exchange(Wire.post("/VolumeDriver.Get", get))
            _ = try await wire.exchange(Wire.post("/VolumeDriver.Remove", get))
            _ = try await wire.exchange(Wire.post("/VolumeDriver.Nonsense", get))
            _ = try await wire.exchange("GET /Plugin.Activate HTTP/1.1\r\nHost: x\r\n\r\n")
            // The plugin does not know: the server hangs up.
            try wire.send(Wire.post("/VolumeDriver.Get", #"{"Name":"sick"}"#))
            _ = try await wire.receive()
        }
        calls.continuation.finish()
        var told: [AnsweredCall] = []
        for await call in calls.stream { told.append(call) }
        #expect(
            told.map(\.method) == [
                "VolumeDriver.Get", "VolumeDriver.Remove", nil, "Plugin.Activate", "VolumeDriver.Get",
            ])
        #expect(told.map(\.status) == [200, 200, 404, 405, nil])
        #expect(told.map(\.error).prefix(2) == [nil, "the disk is on fire"])
        #expect(told.first?.requestBytes == get.utf8.count)
        #expect(told.first?.responseBytes == #"{"Volume":{"Name":"v"}}"#.utf8.count)
        #expect(told.allSatisfy { $0.caller.processID == getpid() && $0.duration > .zero })
    }

    @Test(.timeLimit(.minutes(1)))
    func isToldOfACallWhoseClientDidNotWait() async throws {
        let calls = AsyncStream<AnsweredCall>.makeStream()
        let observe: @Sendable (AnsweredCall) -> Void = { calls.continuation.yield($0) }
        let plugin = MemoryPlugin()
        try await withServer(plugin, configure: { $0.observer = observe }) { server in
            let wire = try server.connect()
            try wire.send(Wire.post("/VolumeDriver.Mount", #"{"Name":"v","ID":"i"}"#))
            for await _ in plugin.mounting.stream { break }
            wire.close()
            for await call in calls.stream {
                #expect(call.method == "VolumeDriver.Mount")
                #expect(call.status == nil)
                break
            }
        }
    }
}
