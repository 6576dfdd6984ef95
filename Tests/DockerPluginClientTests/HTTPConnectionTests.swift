// SPDX-License-Identifier: Apache-2.0

import DockerPluginClient
import DockerPluginDiscovery
import MobyFSTesting
import SystemPackage
import Testing

/// What lies under the client: one connection, used as the caller likes.
@Suite(.timeLimit(.minutes(1))) struct HTTPConnectionTests {
    private func connect(_ path: FilePath) async throws -> HTTPConnection {
        try await PluginTransport(PluginEndpoint(PluginAddress(socket: path.string))).connect()
    }

    private func get(_ target: String) -> HTTPRequest {
        HTTPRequest("GET", target, headers: [HTTPField("Host", "x")])
    }

    @Test func sendsSeveralRequestsAndReadsTheirAnswersInOrder() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let server = try RawServer(path) { connection in
                let requests = try (0..<3).map { _ in try connection.receiveRequest() }
                // In one piece, so that one reading brings all three.
                let answers = requests.map { request in
                    let target = request.split(separator: " ")[1]
                    return "HTTP/1.1 200 OK\r\nContent-Length: \(target.utf8.count)\r\n\r\n\(target)"
                }
                try connection.send(answers.joined())
                connection.waitForEnd()
            }
            let connection = try await connect(path)
            for number in 1...3 { connection.send(get("/\(number)")) }
            for number in 1...3 {
                let reply = try await connection.receive()
                #expect(String(decoding: reply.body, as: UTF8.self) == "/\(number)")
            }
            #expect(server.connections == 1)
        }
    }

    /// Half of a request goes out alone; what the client has ended is answered all the same.
    @Test func sendsBytesAsTheyAreAndEndsOneSideOnly() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let server = try RawServer(path) { connection in
                let request = try connection.receiveRequest()
                try connection.send("got \(request)")
            }
            let connection = try await connect(path)
            try await connection.send(Array("POST /".utf8))
            try await connection.endSending()
            let received = try await connection.receiveToEnd()
            #expect(String(decoding: received, as: UTF8.self) == "got POST /")
            _ = server
        }
    }

    /// The engine's API sends the progress of a pull as it goes.
    @Test func handsOutABodyAsItComes() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let read = AsyncStream<Void>.makeStream()
            let server = try RawServer(path) { connection in
                _ = try connection.receiveRequest()
                try connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n")
                // The rest is sent when the first piece was read.
                _ = try connection.receiveRequest()
                try connection.send("7\r\nsecond\n\r\n0\r\n\r\n")
                connection.waitForEnd()
            }
            let connection = try await connect(path)
            connection.send(get("/"))
            #expect(try await connection.receiveHead().status == 200)
            var text = ""
            while let chunk = try await connection.receiveChunk() {
                text += String(decoding: chunk, as: UTF8.self)
                if text == "first\n" { connection.send(get("/more")) }
            }
            #expect(text == "first\nsecond\n")
            read.continuation.finish()
            _ = server
        }
    }

    @Test func passesOverTheBodyOfAResponseThatNobodyRead() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let server = try RawServer(path) { connection in
                _ = try connection.receiveRequest()
                try connection.answer(String(repeating: "x", count: 100_000))
                try connection.answer("{}", status: "404 Not Found")
                try connection.send("HTTP/1.1 204 No Content\r\n\r\n")
                try connection.answer("end")
            }
            let connection = try await connect(path)
            connection.send(get("/"))
            #expect(try await connection.receiveHead().status == 200)
            #expect(try await connection.receiveHead().reason == "Not Found")
            #expect(try await connection.receive().body.isEmpty)
            #expect(try await connection.receive().body == Array("end".utf8))
            let error = await #expect(throws: PluginClientError.self) { try await connection.receive() }
            #expect(error?.code == .dropped)
            _ = server
        }
    }

    @Test func waitsNoLongerThanItIsTold() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let server = try RawServer(path) { $0.waitForEnd() }
            let connection = try await connect(path)
            let error = await #expect(throws: PluginClientError.self) {
                try await connection.receive(within: .milliseconds(50))
            }
            #expect(error?.code == .timedOut)
            let other = try await connect(path)
            let unended = await #expect(throws: PluginClientError.self) {
                try await other.receiveToEnd(within: .milliseconds(50))
            }
            #expect(unended?.code == .timedOut)
            _ = server
        }
    }

    /// Forgotten connections do not stay open.
    @Test func closesWithTheLastReference() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let ended = AsyncStream<Void>.makeStream()
            let server = try RawServer(path) { connection in
                connection.waitForEnd()
                ended.continuation.finish()
            }
            do { _ = try await connect(path) }
            for await _ in ended.stream {}
            _ = server
        }
    }
}
