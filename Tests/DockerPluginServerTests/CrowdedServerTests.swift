// SPDX-License-Identifier: Apache-2.0

import DockerPluginServer
import MobyFSTesting
import Testing

/// More connections, and more in them, than a server has room for.
@Suite struct CrowdedServerTests {
    private let get = Wire.post("/VolumeDriver.Get", #"{"Name":"v"}"#)

    /// Those who ask nothing make room for each other; who asks stays.
    @Test(.timeLimit(.minutes(1)), arguments: [false, true])
    func aConnectionThatAskedStaysWhereOthersMakeRoom(overTCP: Bool) async throws {
        try await withServer(MemoryPlugin(), configure: { $0.connectionLimit = 4 }) { server in
            let used = try server.connect(overTCP: overTCP)
            let first = try await used.exchange(get)
            #expect(first.contains("200 OK"))
            var mute: [Wire] = []
            for _ in 0..<20 {
                mute.append(try server.connect(overTCP: overTCP))
                // A connection of the server's other socket takes nobody's place on this one.
                let other = try await server.connect(overTCP: !overTCP).exchange(get)
                #expect(other.contains("200 OK"))
                // The mute one is inside when the next is.
                let late = try await server.connect(overTCP: overTCP).exchange(get)
                #expect(late.contains("200 OK"))
            }
            let answer = try await used.exchange(get)
            #expect(answer.contains("200 OK"))
            for wire in mute.prefix(10) {
                let answer = try await wire.receiveAll()
                #expect(answer.isEmpty)
            }
        }
    }

    /// A call that is being worked on is not cut off for whoever comes.
    @Test(.timeLimit(.minutes(1)))
    func aConnectionAtWorkIsNotSentAway() async throws {
        let plugin = MemoryPlugin()
        try await withServer(plugin, configure: { $0.connectionLimit = 2 }) { server in
            let working = try server.connect()
            try working.send(Wire.post("/VolumeDriver.Mount", #"{"Name":"v","ID":"i"}"#))
            for await _ in plugin.mounting.stream { break }
            for _ in 0..<20 {
                let answer = try await server.connect().exchange(get)
                #expect(answer.contains("200 OK"))
            }
            plugin.release.continuation.yield()
            let mounted = try await working.receive()
            #expect(mounted.contains("\"/m\""))
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func anIdleConnectionEndsWhereThereIsALimit() async throws {
        try await withServer(MemoryPlugin(), configure: { $0.idleLimit = .milliseconds(50) }) { server in
            let fresh = try server.connect()
            let used = try server.connect()
            let answer = try await used.exchange(get)
            #expect(answer.contains("200 OK"))
            for wire in [fresh, used] {
                let rest = try await wire.receiveAll()
                #expect(rest.isEmpty)
            }
        }
    }

    /// What is on its way in is bounded for all together, and small bodies get in nevertheless.
    @Test(.timeLimit(.minutes(1)))
    func largeBodiesDoNotAddUp() async throws {
        func body(_ size: Int) -> String { #"{"Name":"v","Opts":{"a":"\#(String(repeating: "x", count: size))"}}"# }
        try await withServer(MemoryPlugin(), configure: { $0.bodiesLimit = 50_000 }) { server in
            for _ in 0..<10 {
                let wire = try server.connect()
                // The server may hang up before all is sent, or with bytes unread.
                try? wire.send(Wire.post("/VolumeDriver.Create", body(100_000)))
                let refusal = try? await wire.receive()
                #expect(refusal?.contains("200 OK") != true)
                // What was taken is given back.
                let answer = try await server.connect().exchange(Wire.post("/VolumeDriver.Create", body(40_000)))
                #expect(answer.contains("200 OK"))
            }
            let taking = try server.connect()
            try taking.send(String(Wire.post("/VolumeDriver.Create", body(40_000)).dropLast()))
            let small = try await server.connect().exchange(Wire.post("/VolumeDriver.Create", body(10_000)))
            #expect(small.contains("200 OK"))
            let answer = try await taking.exchange("}")
            #expect(answer.contains("200 OK"))
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: [(1, 17_000), (40, 1000), (150, 1)])
    func aHeadHasALimit(fields: Int, size: Int) async throws {
        try await withServer(MemoryPlugin()) { server in
            let field = String(repeating: "x", count: size)
            let headers = (0..<fields).map { "X-\($0): \(field)" }
            let wire = try server.connect()
            // The server may hang up before all is sent.
            try? wire.send(Wire.post("/VolumeDriver.Get", #"{"Name":"v"}"#, headers: headers))
            let answer = try? await wire.receive()
            #expect(answer?.contains("200 OK") != true)
            let other = try await server.connect().exchange(get)
            #expect(other.contains("200 OK"))
        }
    }

    /// Of a request that is refused the rest is read, but not without end.
    @Test(.timeLimit(.minutes(1)))
    func aBodyThatNobodyWantsHasALimit() async throws {
        try await withServer(MemoryPlugin(), configure: { $0.bodyLimit = 100_000 }) { server in
            let wire = try server.connect()
            try wire.send("POST /No.Such HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n")
            // The server hangs up before all is sent.
            try? wire.send([UInt8](repeating: 32, count: 0xfffff0))
            let answer = try? await wire.receiveAll()
            #expect(answer?.contains("404") != false)
        }
    }
}
