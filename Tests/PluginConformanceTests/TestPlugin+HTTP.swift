// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Glibc
import MobyFSTesting
import Synchronization

// HTTP/1.1 on one connection, a thread for each, so that nothing of it depends on the server that is to be checked.
extension TestPlugin {
    /// A request that has come whole.
    private struct Request {
        var method: String
        var path: String
        var version: String
        var headers: [String: String]
        var body: [UInt8]
    }

    /// The connection is to be closed.
    private struct End: Error {}

    /// What was received and not used yet, and whether the caller is gone.
    private struct Reader {
        let connection: RawConnection
        var buffer: [UInt8] = []
        /// Whether a call was answered on it.
        var hasServed = false

        /// Receives more.
        ///
        /// - Returns: False at the end.
        /// - Throws: ``End`` when the caller was gone before it had read an answer.
        mutating func fill() throws -> Bool {
            var chunk = [UInt8](repeating: 0, count: 65536)
            let count = recv(connection.descriptor, &chunk, chunk.count, 0)
            guard count >= 0 else { throw End() }
            buffer += chunk[..<count]
            return count > 0
        }
    }

    func serve(_ connection: RawConnection) throws {
        state.withLock { $0.connections += 1 }
        defer { state.withLock { $0.connections -= 1 } }
        guard !does(.takesFewConnections) || hasFewConnections else { return }
        var reader = Reader(connection: connection)
        while let request = try receive(&reader) {
            if does(.dropsPipelinedCalls) { reader.buffer = [] }
            guard try respond(to: request, &reader) else { return }
            reader.hasServed = true
        }
    }

    /// Whether there are few connections open, not counting those that are just being closed.
    private var hasFewConnections: Bool {
        for _ in 0..<30 {
            if state.withLock({ $0.connections <= 20 }) { return true }
            usleep(10_000)
        }
        return false
    }

    // MARK: Requests

    private func receive(_ reader: inout Reader) throws -> Request? {
        if reader.buffer.isEmpty {
            if does(.closesIdleConnections), reader.hasServed, !isReadable(reader.connection, milliseconds: 100) {
                return nil
            }
            guard try reader.fill() else { return nil }
        }
        guard does(.isHeldUpByOthers) else { return try receiveRest(&reader) }
        return try Self.turnstile.withLock { _ in try receiveRest(&reader) }
    }

    private static let turnstile = Mutex(())

    private func isReadable(_ connection: RawConnection, milliseconds: CInt) -> Bool {
        var entry = pollfd(fd: connection.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) > 0
    }

    private func receiveRest(_ reader: inout Reader) throws -> Request {
        let end = Array("\r\n\r\n".utf8)
        var head = reader.buffer.firstRange(of: end)
        if head == nil, does(.wantsCallsInOnePiece) { throw refuse(reader.connection) }
        while head == nil {
            guard reader.buffer.count < 65536 else { throw refuse(reader.connection) }
            guard try reader.fill() else {
                if does(.diesOfHangUps) { die() }
                throw End()
            }
            head = reader.buffer.firstRange(of: end)
        }
        guard let head else { throw End() }
        let text = String(decoding: reader.buffer[..<head.lowerBound], as: UTF8.self)
        reader.buffer.removeSubrange(..<head.upperBound)
        guard var request = Self.parse(text) else {
            if does(.diesOfGarbage) { die() }
            throw refuse(reader.connection)
        }
        let length = Int(request.headers["content-length"] ?? "0") ?? 0
        if length > 500_000, does(.refusesLargeBodies) { throw End() }
        if request.headers["expect"] != nil {
            if does(.refusesExpect) {
                try write(.reply([:], status: 417), to: reader.connection)
                throw End()
            }
            if reader.buffer.count < length { try reader.connection.send("HTTP/1.1 100 Continue\r\n\r\n") }
        }
        while reader.buffer.count < length {
            guard try reader.fill() else {
                if does(.takesHalfACall), request.path == "/VolumeDriver.Create" { createHalf(reader.buffer) }
                throw End()
            }
        }
        request.body = Array(reader.buffer.prefix(length))
        reader.buffer.removeFirst(length)
        return request
    }

    private static func parse(_ head: String) -> Request? {
        let lines = head.split(separator: "\r\n", omittingEmptySubsequences: false)
        let words = lines[0].split(separator: " ")
        guard words.count == 3, words[2].hasPrefix("HTTP/1.") else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { return nil }
            headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return Request(
            method: String(words[0]), path: String(words[1]), version: String(words[2]), headers: headers, body: [])
    }

    private func refuse(_ connection: RawConnection) -> End {
        // The caller may be gone.
        try? write(.reply(["Err": "this is no request"], status: 400), to: connection)
        return End()
    }

    /// Reads what there is of a name, and makes a volume of it.
    private func createHalf(_ body: [UInt8]) {
        let words = String(decoding: body, as: UTF8.self).split(separator: "\"")
        if let name = words.last { state.withLock { $0.volumes[String(name)] = Volume() } }
    }

    // MARK: Answers

    /// - Returns: Whether the connection goes on.
    private func respond(to request: Request, _ reader: inout Reader) throws -> Bool {
        let method = String(request.path.dropFirst())
        if let refusal = refusal(of: request) {
            try write(refusal, to: reader.connection)
            return true
        }
        let answer = answer(method, request.body)
        if case .hangUp = answer { return false }
        if method == "VolumeDriver.Create", does(.leavesHalfAVolume) { try leaveHalf(request.body, &reader) }
        let isLast = request.version == "HTTP/1.0" || does(.closesEachConnection)
        guard method == "VolumeDriver.Mount", !does(.ignoresHangUps) else {
            try write(answer, to: reader.connection, isLast: isLast)
            return !isLast
        }
        do {
            try write(answer, to: reader.connection, isLast: isLast)
            // The kernel tells a caller that has read the answer from one that is gone and has not.
            return try reader.fill()
        } catch {
            undoMount(request.body)
            throw error
        }
    }

    /// Forgets half of a volume whose caller is gone.
    private func leaveHalf(_ body: [UInt8], _ reader: inout Reader) throws {
        guard isReadable(reader.connection, milliseconds: 30), try !reader.fill(),
            let name = try JSONValue(parsing: body)["Name"]?.string
        else { return }
        state.withLock { state in
            state.volumes[name] = nil
            state.halves.insert(name)
        }
    }

    private func refusal(of request: Request) -> Answer? {
        let host = request.headers["host"]
        let isKnownHost = host == nil || host == "" || host == "plugin.moby.localhost"
        let isEmptyHost = host == ""
        switch misbehaviour {
        case .refusesEmptyHost where isEmptyHost, .refusesEngineHost where host == "plugin.moby.localhost",
            .refusesOtherHosts where !isKnownHost:
            return .reply(["Err": "what host is that"], status: 400)
        case .wantsContentType where !request.body.isEmpty && request.headers["content-type"] == nil:
            return .reply(["Err": "what type is that"], status: 415)
        case .wantsAccept
        where request.path == "/Plugin.Activate" && request.headers["accept"]?.contains("v1.2") != true:
            return .reply(["Err": "that is not what there is"], status: 406)
        case .refusesOldHTTP where request.version == "HTTP/1.0":
            return .reply(["Err": "that is old"], status: 505)
        default:
            guard request.method != "POST", !does(.takesGET) else { return nil }
            return .reply(["Err": "POST it"], status: 405)
        }
    }

    private func write(_ answer: Answer, to connection: RawConnection, isLast: Bool = false) throws {
        let (body, status): ([UInt8], Int) =
            switch answer {
            case .reply(let value, let status): (value.encoded, status)
            case .bytes(let bytes, let status): (bytes, status)
            case .hangUp: throw End()
            }
        let close = isLast ? "Connection: close\r\n" : ""
        let head = "HTTP/1.1 \(status) Answer\r\nContent-Length: \(body.count)\r\n\(close)\r\n"
        try connection.send(Array(head.utf8) + body)
    }
}
