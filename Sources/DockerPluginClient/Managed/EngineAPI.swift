// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginDiscovery
import Glibc

/// Makes calls to a Docker Engine over its API.
struct EngineAPI: Sendable {
    /// The first version of the API with managed plugins: Docker 1.13.
    private static let oldest = EngineAPIVersion(major: 1, minor: 25)
    private static let connectLimit = Duration.seconds(10)

    private let transport: PluginTransport

    init(_ endpoint: PluginEndpoint) {
        transport = PluginTransport(endpoint)
    }

    private var address: PluginAddress { transport.endpoint.address }

    /// Makes a call and receives its answer whole.
    ///
    /// - Parameters:
    ///   - method: The HTTP method.
    ///   - path: The path behind the version: `/plugins/NAME/enable`.
    ///   - query: What follows the path.
    ///   - body: What is sent along, if anything.
    ///   - limit: How long the engine may take.
    /// - Returns: The answer, which is no refusal.
    /// - Throws: ``PluginClientError``, with code `refused` and the engine's own words if it refused.
    func call(
        _ method: String, _ path: String, query: [(String, String)] = [], body: JSONValue? = nil,
        within limit: Duration = .seconds(60)
    ) async throws -> PluginReply {
        let session = try await open()
        defer { session.connection.close() }
        session.send(method, path, query, body)
        let reply = try await session.connection.receive(within: limit)
        try check(reply)
        return reply
    }

    /// Makes a call that is answered by JSON values one after the other, for as long as something goes on.
    ///
    /// - Parameters:
    ///   - path: The path behind the version.
    ///   - query: What follows the path.
    ///   - body: What is sent along.
    ///   - silence: How long the engine may say nothing.
    ///   - receive: Called with each value.
    /// - Throws: ``PluginClientError``, and what `receive` throws.
    func follow(
        _ path: String, query: [(String, String)], body: JSONValue, silence: Duration,
        _ receive: (JSONValue) throws -> Void
    ) async throws {
        let session = try await open()
        let connection = session.connection
        defer { connection.close() }
        session.send("POST", path, query, body)
        let timeout = PluginClientError(
            .timedOut, "the Docker Engine at '\(address)' has said nothing more for \(silence.inSeconds)")
        let head = try await withTimeLimit(silence, timeout) { try await connection.receiveHead() }
        var line: [UInt8] = []
        var whole: [UInt8] = []
        while let chunk = try await withTimeLimit(silence, timeout, { try await connection.receiveChunk() }) {
            guard head.status < 300 else {
                whole += chunk.prefix(1 << 20 - whole.count)
                continue
            }
            line += chunk
            while let end = line.firstIndex(of: UInt8(ascii: "\n")) {
                if let value = try value(ofLine: Array(line[..<end])) { try receive(value) }
                line.removeSubrange(...end)
            }
            guard line.count < 1 << 20 else {
                throw PluginClientError(.tooLarge, "the Docker Engine at '\(address)' sends a line without end")
            }
        }
        if let value = try value(ofLine: line) { try receive(value) }
        try check(PluginReply(status: head.status, headers: head.headers, body: whole))
    }

    private func value(ofLine line: [UInt8]) throws -> JSONValue? {
        guard line.contains(where: { $0 > 0x20 }) else { return nil }
        do {
            return try JSONValue(parsing: line, ignoresRest: true)
        } catch {
            throw badAnswer("\(error)")
        }
    }

    /// What an engine answered, as JSON.
    func json(_ reply: PluginReply) throws -> JSONValue {
        do {
            return try reply.value
        } catch {
            throw badAnswer("\(error)")
        }
    }

    func badAnswer(_ reason: String) -> PluginClientError {
        PluginClientError(.badAnswer, "what answers at '\(address)' is no Docker Engine: \(reason)")
    }

    // MARK: - A session

    /// A connection to an engine whose version is known.
    private struct Session {
        let connection: HTTPConnection
        let version: EngineAPIVersion

        func send(_ method: String, _ path: String, _ query: [(String, String)], _ body: JSONValue?) {
            let pairs = query.map { "\($0)=\($1.queryEscaped)" }.joined(separator: "&")
            let target = "/v\(version)\(path)" + (pairs.isEmpty ? "" : "?\(pairs)")
            connection.send(HTTPRequest(method, target, headers: EngineAPI.fields, body: body?.encoded ?? []))
        }
    }

    private static let fields = [
        HTTPField("Host", "docker"), HTTPField("User-Agent", "mobyfs"), HTTPField("Content-Type", "application/json"),
    ]

    /// Connects and asks for the version: paths without one are to go.
    private func open() async throws -> Session {
        let connection: HTTPConnection
        do {
            connection = try await transport.connect(within: Self.connectLimit)
        } catch let error as PluginClientError where error.code == .unreachable {
            throw PluginClientError(.unreachable, unreachable)
        }
        do {
            connection.send(HTTPRequest("GET", "/version", headers: Self.fields))
            let reply = try await connection.receive(bodyLimit: 1 << 20, within: .seconds(30))
            try check(reply)
            guard let text = try json(reply)["ApiVersion"]?.string, let version = EngineAPIVersion(text) else {
                throw badAnswer("it says no ApiVersion")
            }
            guard version >= Self.oldest else {
                throw PluginClientError(
                    .refused,
                    "the Docker Engine at '\(address)' has no managed plugins: it speaks version \(version) of the API, "
                        + "and they came with \(Self.oldest), Docker 1.13; install the plugin as a program, with --address"
                )
            }
            return Session(connection: connection, version: version)
        } catch {
            connection.close()
            throw error
        }
    }

    private var unreachable: String {
        if case .unix(let path) = address.transport, access(path, R_OK | W_OK) != 0, errno == EACCES {
            return "permission denied to talk to the Docker Engine at '\(address)': try as root"
        }
        return "no Docker Engine listens at '\(address)': start it, or say in DOCKER_HOST where it listens"
    }

    /// Throws what an engine says if it is a refusal.
    private func check(_ reply: PluginReply) throws {
        guard reply.status >= 300 else { return }
        // What is no JSON is shown as it is.
        let message = (try? reply.value)?["message"]?.string ?? String(decoding: reply.body.prefix(500), as: UTF8.self)
        let line = message.oneLine
        throw PluginClientError(
            .refused, line.isEmpty ? "the Docker Engine answers with status \(reply.status)" : line,
            status: reply.status)
    }
}

/// A version of an engine's API: `1.41`.
struct EngineAPIVersion: Comparable, CustomStringConvertible {
    let major: Int
    let minor: Int

    init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let major = UInt16(parts[0]), let minor = UInt16(parts[1]) else { return nil }
        self.init(major: Int(major), minor: Int(minor))
    }

    var description: String { "\(major).\(minor)" }

    static func < (left: Self, right: Self) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }
}

extension String {
    /// The text without line ends and other control characters.
    var oneLine: String {
        String(unicodeScalars.map { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) ? " " : Character($0) })
            .split(separator: " ").joined(separator: " ")
    }

    /// The text as the value of a query.
    fileprivate var queryEscaped: String {
        var escaped = ""
        for byte in utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            default: escaped += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return escaped
    }
}
