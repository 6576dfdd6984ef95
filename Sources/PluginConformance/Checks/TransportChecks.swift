// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient

extension Check {
    private static let client = "moby pkg/plugins/client.go and Go's net/http"

    /// How connections are kept and shared.
    static let transport: [Check] = [
        Check(
            "keep-alive", .advised, "The answer does not end the connection",
            source: "\(client): engines keep two connections for their next calls", needs: .plugin
        ) { session in
            let probe = await session.probe()
            guard let answer = probe.answer else { throw NotObservable("\(probe)") }
            if let field = answer.headers["Connection"], field.lowercased().contains("close") {
                throw probe.violation("with 'Connection: \(field)' every call takes a new connection")
            }
            return "\(probe), without 'Connection: close'"
        },
        Check(
            "idle-connections", .required, "A connection is not closed between two calls without a word",
            source: "\(client): a call that meets the close is repeated, with an empty body", needs: .plugin
        ) { session in
            try await session.callAfterAPause()
        },
        Check(
            "pipelining", .advised, "Calls that come before the answer to the one before are answered in turn",
            source: "HTTP/1.1; engines do not do it", needs: .plugin
        ) { session in
            try await session.pipeline()
        },
        Check(
            "split-request", .required, "A call that arrives in pieces is answered",
            source: "TCP, and larger requests on unix sockets", needs: .plugin
        ) { session in
            let (method, body) = session.harmlessCall
            let bytes = session.request(method, body).encoded
            let exchange = await session.exchange(method: method, as: "\(method) in four pieces") { connection in
                for piece in [bytes.prefix(9), bytes[9..<30], bytes[30..<(bytes.count - 1)], bytes.suffix(1)] {
                    try await connection.send(Array(piece))
                    try await Task.sleep(for: .milliseconds(20))
                }
                return try await session.receive(on: connection)
            }
            try exchange.value()
            return "\(exchange)"
        },
        Check(
            "parallel-connections", .required, "Calls on 32 connections at once are all answered",
            source: "\(client): engines open as many as they have calls to make", needs: .plugin
        ) { session in
            try await session.callOnManyConnections(32)
        },
        Check(
            "stalled-connections", .required,
            "Connections that are idle or stuck inside a request hold up no other call",
            source: "\(client): two idle connections stay open for each engine", needs: .plugin
        ) { session in
            var connections: [HTTPConnection] = []
            defer { for connection in connections { connection.close() } }
            for index in 0..<8 {
                let connection = try await session.connect()
                connections.append(connection)
                if index % 2 == 0 { try await connection.send(session.halfARequest) }
            }
            return try await session.requireAlive(after: "4 connections went idle and 4 stuck inside a request")
        },
        Check(
            "hang-up", .required, "Callers that hang up, inside a request or before the answer, do no harm",
            source: "every engine that is stopped or out of patience", needs: .plugin
        ) { session in
            let (method, body) = session.harmlessCall
            for index in 0..<16 {
                let connection = try await session.connect()
                try await connection.send(index % 2 == 0 ? session.halfARequest : session.request(method, body).encoded)
                connection.close()
            }
            return try await session.requireAlive(after: "16 callers hung up")
        },
        Check(
            "garbage", .required, "What is no HTTP does no harm",
            source: "port scans, and TLS spoken to the wrong port", needs: .plugin
        ) { session in
            let payloads: [[UInt8]] = [
                [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03, 0x0D, 0x0A, 0x0D, 0x0A],
                [UInt8](repeating: 0, count: 1000), Array("HELLO\r\n\r\n".utf8),
                Array("POST /Plugin.Activate HTTP/1.1\r\nHost x\r\nContent-Length: -1\r\n\r\n".utf8),
                [UInt8](repeating: UInt8(ascii: "x"), count: 100_000),
            ]
            for payload in payloads {
                let connection = try await session.connect()
                defer { connection.close() }
                // A plugin may well close before it has read it all.
                try? await connection.send(payload)
            }
            return try await session.requireAlive(after: "a TLS hello, zeros and other noise")
        },
        Check(
            "response-time", .advised, "Calls that only read are answered within a second",
            source: "engines wait for Capabilities, List and Get before most of what they do", needs: .plugin
        ) { session in
            var exchanges = [await session.activate()]
            if session.isVolumePlugin {
                exchanges.append(await session.call("VolumeDriver.Capabilities", [:]))
                exchanges.append(await session.list())
                exchanges.append(await session.get(session.newName()))
            }
            let slow = exchanges.filter { $0.duration > session.limits.slow }
            guard slow.isEmpty else {
                throw Violation(slow.map { "\($0.request) took \($0.duration.inSeconds)" }.joined(separator: "; "))
            }
            return
                "\(exchanges.count) calls, the slowest in \(exchanges.map(\.duration).max()?.inMilliseconds ?? "0 ms")"
        },
    ]
}

extension Session {
    /// The beginning of a call, and nothing that would change anything if it were taken for the whole.
    fileprivate var halfARequest: [UInt8] { Array("POST /\(harmlessCall.method) HTTP/1.1\r\nHost: plugin".utf8) }

    /// Throws where the answer says that there will be no other on this connection.
    fileprivate func requireKeptAlive(_ reply: PluginReply) throws {
        if reply.headers["Connection"]?.lowercased().contains("close") == true {
            throw NotObservable("every answer says 'Connection: close'")
        }
    }

    fileprivate func pipeline() async throws -> String {
        let (method, body) = harmlessCall
        let bytes = request(method, body).encoded
        let connection = try await connect()
        defer { connection.close() }
        try await connection.send(bytes + bytes + bytes)
        for count in 0..<3 {
            do {
                let reply = try await receive(on: connection)
                try requireKeptAlive(reply)
                guard reply.status == 200 else {
                    throw Violation("\(method) -> \(reply.status) to the call number \(count + 1)")
                }
            } catch let error as PluginClientError {
                throw Violation("of three calls of \(method) in a row, \(count) were answered; then: \(error)")
            }
        }
        return "of three calls of \(method) in a row, 3 were answered"
    }

    fileprivate func callAfterAPause() async throws -> String {
        let (method, body) = harmlessCall
        let request = request(method, body)
        let connection = try await connect()
        defer { connection.close() }
        connection.send(request)
        let first = try await receive(on: connection)
        try requireKeptAlive(first)
        try await Task.sleep(for: limits.idle)
        connection.send(request)
        do {
            let second = try await receive(on: connection)
            return
                "\(method), \(limits.idle.inSeconds) of silence, \(method) on the same connection -> \(second.status)"
        } catch let error as PluginClientError where error.code == .dropped {
            throw Violation(
                "\(method) -> \(first.status), and within \(limits.idle.inSeconds) the plugin closed the connection, "
                    + "unannounced: an engine's next call may meet that")
        }
    }

    fileprivate func callOnManyConnections(_ count: Int) async throws -> String {
        let (method, body) = harmlessCall
        let request = request(method, body)
        var connections: [HTTPConnection] = []
        defer { for connection in connections { connection.close() } }
        for _ in 0..<count { connections.append(try await connect()) }
        let answered = await withTaskGroup(of: Bool.self) { group in
            for connection in connections {
                group.addTask {
                    connection.send(request)
                    // Which of them fails and why is of no interest.
                    return (try? await self.receive(on: connection))?.status == 200
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        let evidence = "\(method) on \(count) connections at once -> \(answered) answers with 200"
        guard answered == count else { throw Violation(evidence) }
        return evidence
    }
}

extension Duration {
    /// `12 ms`.
    var inMilliseconds: String {
        "\(components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000) ms"
    }
}
