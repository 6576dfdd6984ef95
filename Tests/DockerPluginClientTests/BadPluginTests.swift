// SPDX-License-Identifier: Apache-2.0

import DockerPluginClient
import DockerPluginDiscovery
import MobyFSTesting
import Synchronization
import SystemPackage
import Testing

/// Plugins that misbehave: each call ends soon, in little memory, with a reason.
@Suite(.timeLimit(.minutes(1))) struct BadPluginTests {
    private func error(
        of path: FilePath, _ configure: (inout PluginClient.Configuration) -> Void = { _ in }
    ) async throws -> PluginClientError {
        let client = PluginClient.soon(path) { configure(&$0) }
        let error = await #expect(throws: PluginClientError.self) { try await client.activate() }
        return try #require(error)
    }

    @Test(arguments: [
        // Not, or no longer, a plugin.
        ("HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n<html><body>hello</body></html>", "badAnswer", "a page of HTML"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "badAnswer", "no JSON"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "badAnswer", "engines want at least '{}'"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"Implements\":\"x\"}", "badAnswer", "no JSON"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"Implements\":\"x\"}", "badAnswer", "no list of texts"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "badAnswer", "does not speak HTTP: it sent 'SSH-2.0-OpenSSH_9.2'"),
        ("\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}F", "badAnswer", "speaks TLS"),
        ("HTTP/1.1 two hundred\r\n\r\n", "badAnswer", "no HTTP/1.1"),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "badAnswer", "'no colon' without a colon"),
        // Half of an answer.
        ("", "dropped", "closed the connection without an answer"),
        ("HTTP/1.1 20", "badAnswer", "inside the head"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"Im", "badAnswer", "6 bytes of it are missing"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"Im", "badAnswer", "1 bytes of it are missing"),
        // Framing that is none.
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "badAnswer", "'-1' for its Content-Length"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "badAnswer", "'2, 3'"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "badAnswer", "for its Content-Length"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "badAnswer", "transfer encoding 'gzip'"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "badAnswer", "'xyz'"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}oops\r\n0\r\n\r\n", "badAnswer", "does not end"),
        // 1 GiB, and more.
        ("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n{", "tooLarge", "1073741824 bytes"),
        (
            String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 6), "badAnswer",
            "one interim answer after the other"
        ),
        // Other statuses.
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops", "refused", "Plugin.Activate: oops"),
        ("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", "refused", "status 500 and no text"),
        ("HTTP/1.1 301 Moved\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n", "refused", "'http://x/'"),
        // Control characters do not reach whoever reads the message.
        ("\u{1B}[2Jhello\n", "badAnswer", "it sent '[2Jhello'"),
    ])
    func saysWhatIsWrong(answer: String, code: String, text: String) async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let server = try RawServer(path) { connection in
                _ = try connection.receiveRequest()
                try connection.send(answer)
            }
            let error = try await error(of: path)
            #expect("\(error.code)".contains(".\(code))"), "\(error.code)")
            #expect(error.description.contains(text), "\(error)")
            #expect(server.connections == 1)
        }
    }

    /// The good one among the odd: the body ends with the connection, chunks have extensions, a 100 goes before.
    @Test(arguments: [
        "HTTP/1.0 200 OK\r\n\r\n{\"Implements\":[\"a\"]}",
        "HTTP/1.1 200 OK\nContent-Length: 20\n\n{\"Implements\":[\"a\"]}",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\ncontent-length:20\r\n\r\n{\"Implements\":[\"a\"]}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA;x=y\r\n{\"Implemen\r\n0a\r\nts\":[\"a\"]}\r\n0\r\nT: z\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n{\"implements\":[\"a\"]} and more",
    ])
    func readsWhatEnginesRead(answer: String) async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let server = try RawServer(path) { connection in
                _ = try connection.receiveRequest()
                // In two pieces, for what is read at a time is chance.
                try connection.send(Array(answer.utf8.prefix(40)))
                try connection.send(Array(answer.utf8.dropFirst(40)))
            }
            #expect(try await PluginClient.soon(path).activate() == ["a"])
            _ = server
        }
    }

    /// A plugin that answers without end is left alone after what is read at most.
    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\n\r\n", "x"), ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "10000\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X-Y: z\r\n"),
        ("HTTP/1.1 200 OK\r\n", "X-Y: z\r\n"), ("HTTP/1.1 200 OK\r\nX: ", "y"), ("HTTP/1.1 200 ", "O"),
    ])
    func readsNoAnswerWithoutEnd(beginning: String, piece: String) async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let sent = Mutex(0)
            let ended = AsyncStream<Void>.makeStream()
            let server = try RawServer(path) { connection in
                defer { ended.continuation.finish() }
                _ = try connection.receiveRequest()
                try connection.send(beginning)
                var chunk = Array(String(repeating: piece, count: 65536 / piece.utf8.count).utf8)
                if piece.hasSuffix("0\r\n") {
                    chunk = Array(piece.utf8) + Array(repeating: 0x78, count: 65536) + [13, 10]
                }
                while true {
                    try connection.send(chunk)
                    sent.withLock { $0 += chunk.count }
                }
            }
            let error = try await error(of: path) { $0.bodyLimit = 1 << 20 }
            #expect(error.code == .tooLarge, "\(error)")
            for await _ in ended.stream {}
            // The limit, and what the kernel and one reading hold.
            #expect(sent.withLock { $0 } < 4 << 20)
            _ = server
        }
    }

    @Test func givesUpOnAPluginThatNeverAnswers() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let server = try RawServer(path) { $0.waitForEnd() }
            let start = ContinuousClock.now
            let error = try await error(of: path) { $0.callLimit = .seconds(1) }
            #expect(error.code == .timedOut)
            #expect(error.description.contains("took the call to Plugin.Activate and did not answer"))
            #expect(ContinuousClock.now - start < .seconds(20))
            _ = server
        }
    }

    @Test func givesUpOnAPluginThatAnswersByteByByte() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let server = try RawServer(path) { connection in
                try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n")
                while true { try connection.send("x") }
            }
            let error = try await error(of: path) { $0.callLimit = .milliseconds(300) }
            #expect(error.code == .timedOut || error.code == .badAnswer, "\(error)")
            _ = server
        }
    }

    /// Its socket is bound and nobody accepts: the queue fills up.
    @Test func givesUpOnAPluginThatTakesNoConnections() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let server = try RawServer(path, backlog: 0, serve: nil)
            let first = try await error(of: path) { $0.callLimit = .milliseconds(200) }
            #expect(first.code == .timedOut)
            // The first connection waits to be accepted, though its client is gone.
            let second = try await error(of: path)
            #expect(second.code == .unreachable)
            #expect(second.description.contains("its queue of them is full"), "\(second)")
            _ = server
        }
    }

    @Test func saysWhyThereIsNoConnection() async throws {
        try await withTemporaryDirectory { root in
            let missing = try await error(of: root.appending("missing.sock"))
            #expect(missing.code == .unreachable)
            #expect(missing.description.contains("no such file: the plugin is not running"))

            let file = root.appending("file.sock")
            try file.write("")
            #expect(try await error(of: file).description.contains("the file there is no socket"))

            let stale = root.appending("stale.sock")
            do { _ = try RawServer(stale) { _ in } }
            var description = try await error(of: stale).description
            // The server ends in its own time.
            while !description.contains("is gone") { description = try await error(of: stale).description }
            #expect(description.contains("start it, or remove the file"))
        }
    }

    /// 107 bytes are the longest path the kernel takes.
    @Test func reachesASocketWithTheLongestPath() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending(String(repeating: "x", count: 106 - root.string.utf8.count))
            #expect(path.string.utf8.count == 107)
            let server = try RawServer(path) { connection in
                _ = try connection.receiveRequest()
                try connection.answer("{}")
            }
            #expect(try await PluginClient.soon(path).activate() == [])
            _ = server
        }
    }

    @Test(arguments: ["tcp://127.0.0.1:1", "tcp://localhost:1"])
    func saysThatNothingListensOnAPort(address: String) async throws {
        var configuration = PluginClient.Configuration()
        configuration.retries = .none
        let client = PluginClient(PluginEndpoint(try PluginAddress(address)), configuration: configuration)
        let error = await #expect(throws: PluginClientError.self) { try await client.activate() }
        #expect(error?.code == .unreachable)
        #expect(
            error?.description.contains("connection refused: nothing listens on this port") == true, "\(error as Any)")
    }

    @Test func saysThatAHostIsUnknown() async throws {
        var configuration = PluginClient.Configuration()
        configuration.retries = .none
        let client = PluginClient(
            PluginEndpoint(try PluginAddress("tcp://no.such.host.invalid:1")), configuration: configuration)
        let error = await #expect(throws: PluginClientError.self) { try await client.activate() }
        #expect(
            error?.description.contains("the host 'no.such.host.invalid' is not found: ") == true, "\(error as Any)")
    }

    @Test func endsWhenItsTaskIsCancelled() async throws {
        try await withTemporaryDirectory { root in
            let path = root.appending("s.sock")
            let arrived = AsyncStream<Void>.makeStream()
            let server = try RawServer(path) { connection in
                _ = try connection.receiveRequest()
                arrived.continuation.yield()
                connection.waitForEnd()
                arrived.continuation.finish()
            }
            let call = Task { try await PluginClient.soon(path).activate() }
            for await _ in arrived.stream {
                call.cancel()
            }
            await #expect(throws: CancellationError.self) { try await call.value }
            _ = server
        }
    }
}
