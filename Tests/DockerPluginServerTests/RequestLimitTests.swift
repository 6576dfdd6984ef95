// SPDX-License-Identifier: Apache-2.0

import DockerPluginServer
import MobyFSTesting
import Testing

@Suite struct RequestLimitTests {
    private let get = Wire.post("/VolumeDriver.Get", #"{"Name":"v"}"#)

    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            "P", "POST /VolumeDriver.Get HTTP/1.1\r\nHost: x\r\n",
            "POST /VolumeDriver.Get HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{\"Name\"",
            "POST /VolumeDriver.Nonsense HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
        ])
    func endsAConnectionWhoseRequestDoesNotComeWhole(beginning: String) async throws {
        try await withServer(MemoryPlugin(), configure: { $0.requestLimit = .milliseconds(20) }) { server in
            // A first request, and one behind another.
            for before in ["", get] {
                let wire = try server.connect()
                if !before.isEmpty {
                    let answer = try await wire.exchange(before)
                    #expect(answer.contains("200 OK"))
                }
                try wire.send(beginning)
                // Not a word: the engine would act upon it.
                let answer = try await wire.receive()
                #expect(answer.isEmpty)
            }
        }
    }

    /// Who is closed on at once begins anew at once, and a connection that is closed over what was not read is reset.
    @Test(.timeLimit(.minutes(1)), arguments: [false, true])
    func keepsARefusedClientWaitingAMoment(overTCP: Bool) async throws {
        try await withServer(MemoryPlugin()) { server in
            let wire = try server.connect(overTCP: overTCP)
            try wire.send("POST /VolumeDriver.Get HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n{")
            let answer = try await wire.receiveAll()
            #expect(answer.hasPrefix("HTTP/1.1 413 "))
            // The server has said its last word, and does not hang up.
            for _ in 0..<3 { try wire.send("x") }
            try await eventually("the connection ends") { (try? wire.send("x")) == nil }
        }
    }

    /// The client has all the time it wants between two requests; another's connection, opened and timed out
    /// later, shows that the limit is long over.
    @Test(.timeLimit(.minutes(1)))
    func endsNoIdleConnection() async throws {
        try await withServer(MemoryPlugin(), configure: { $0.requestLimit = .milliseconds(20) }) { server in
            let fresh = try server.connect()
            let used = try server.connect()
            _ = try await used.exchange(get)
            for _ in 0..<3 {
                let stalled = try server.connect()
                try stalled.send("POST")
                _ = try await stalled.receive()
            }
            for wire in [fresh, used] {
                let answer = try await wire.exchange(get)
                #expect(answer.contains("200 OK"))
            }
        }
    }

    /// What is pipelined behind a call that takes its time waits for the server, not for the client.
    @Test(.timeLimit(.minutes(1)))
    func doesNotCountTheTimeThatTheServerTakes() async throws {
        let plugin = MemoryPlugin()
        try await withServer(plugin, configure: { $0.requestLimit = .milliseconds(20) }) { server in
            let wire = try server.connect()
            try wire.send(Wire.post("/VolumeDriver.Mount", #"{"Name":"v","ID":"i"}"#))
            for await _ in plugin.mounting.stream { break }
            try wire.send(get + get)
            for _ in 0..<3 {
                let stalled = try server.connect()
                try stalled.send("POST")
                _ = try await stalled.receive()
            }
            plugin.release.continuation.yield()
            let mounted = try await wire.receive()
            #expect(mounted.contains("\"/m\""))
            for _ in 0..<2 {
                let answer = try await wire.receive()
                #expect(answer.contains("200 OK"))
            }
        }
    }
}
