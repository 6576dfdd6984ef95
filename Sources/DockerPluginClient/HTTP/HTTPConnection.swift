// SPDX-License-Identifier: Apache-2.0

package import DockerPluginDiscovery
import Glibc
import NIOCore

/// One connection to an HTTP server, over which bytes go out as they are and responses are read one by one.
///
/// Nothing is sent or read ahead of what is asked for: several requests can be sent before the first response is
/// read, a body is read a piece at a time. One task reads; sending meanwhile is fine. What has failed or timed
/// out once is closed. The connection closes with the last reference to it.
package actor HTTPConnection {
    /// A head larger than this is refused.
    private static let headLimit = 256 << 10
    /// More answers of status 100 to 199 than this are refused, as Go refuses them.
    private static let interimLimit = 5

    private enum Body {
        case none
        case length(Int)
        /// Inside a chunk, with so much of it left; at 0 comes the next chunk's size.
        case chunk(Int, isFirst: Bool)
        case untilEnd
    }

    package nonisolated let address: PluginAddress
    private let channel: any Channel
    private let inlet: NIOLoopBound<ByteInlet>
    private let trace: (@Sendable (TraceEvent) -> Void)?

    private var received = ByteBuffer()
    private var body = Body.none

    init(
        address: PluginAddress, channel: any Channel, inlet: NIOLoopBound<ByteInlet>,
        trace: (@Sendable (TraceEvent) -> Void)?
    ) {
        self.address = address
        self.channel = channel
        self.inlet = inlet
        self.trace = trace
    }

    deinit {
        channel.close(promise: nil)
    }

    /// Waits until the connection is up, its TLS included.
    nonisolated func ready() async throws -> TLSFacts? {
        let promise = channel.eventLoop.makePromise(of: TLSFacts?.self)
        return try await withTaskCancellationHandler {
            channel.eventLoop.execute { [inlet] in inlet.value.waitUntilReady(promise) }
            return try await promise.futureResult.get()
        } onCancel: {
            abandon()
        }
    }

    private nonisolated func abandon() {
        channel.eventLoop.execute { [inlet] in inlet.value.abandon() }
    }

    /// Closes the connection.
    package nonisolated func close() {
        channel.close(promise: nil)
    }

    // MARK: Sending

    /// Sends bytes as they are, and returns when the kernel has taken them.
    ///
    /// - Throws: ``PluginClientError`` with code `dropped` if the other side takes no more.
    package nonisolated func send(_ bytes: [UInt8]) async throws {
        trace?(.sent(bytes))
        do {
            try await withTaskCancellationHandler {
                try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
            } onCancel: {
                abandon()
            }
        } catch {
            try Task.checkCancellation()
            throw PluginClientError(.dropped, "'\(address)' takes no more bytes: \(reason(error))")
        }
    }

    /// Sends a request; how that went shows when its response is read.
    package nonisolated func send(_ request: HTTPRequest) {
        let bytes = request.encoded
        trace?(.sent(bytes))
        channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
    }

    /// Says that no more is sent, and goes on to receive.
    package nonisolated func endSending() async throws {
        try await channel.close(mode: .output).get()
    }

    // MARK: Receiving

    /// Receives the head of the next response, passing over those of status 100 to 199.
    ///
    /// What is left of the body before it is passed over, too.
    ///
    /// - Throws: ``PluginClientError`` with code `dropped` if the connection ends before the first byte.
    package func receiveHead() async throws -> HTTPResponseHead {
        while try await receiveChunk() != nil {}
        var interim = 0
        while true {
            let head = try await readHead()
            if (100..<200).contains(head.status), head.status != 101 {
                interim += 1
                guard interim <= Self.interimLimit else {
                    throw fail(.badAnswer, "'\(address)' sends one interim answer after the other")
                }
                continue
            }
            do throws(MalformedResponse) {
                switch try head.framing {
                case .length(let length): body = .length(length)
                case .chunked: body = .chunk(0, isFirst: true)
                case .untilEnd: body = .untilEnd
                }
            } catch {
                throw fail(.badAnswer, "the answer of '\(address)' \(error.description)")
            }
            return head
        }
    }

    /// Receives the next bytes of the body of the response whose head was received last; nil is its end.
    package func receiveChunk() async throws -> [UInt8]? {
        switch body {
        case .none: return nil
        case .length(0):
            body = .none
            return nil
        case .length(let length):
            let bytes = try await read(atMost: length, wanted: length)
            body = .length(length - bytes.count)
            return bytes
        case .chunk(0, let isFirst):
            guard let size = try await readChunkSize(isFirst: isFirst) else {
                body = .none
                return nil
            }
            body = .chunk(size, isFirst: false)
            return try await receiveChunk()
        case .chunk(let length, _):
            let bytes = try await read(atMost: length, wanted: length)
            body = .chunk(length - bytes.count, isFirst: false)
            return bytes
        case .untilEnd:
            guard try await fill() else {
                body = .none
                return nil
            }
            return take(received.readableBytes)
        }
    }

    /// Receives one response whole.
    ///
    /// - Parameters:
    ///   - bodyLimit: The largest body that is taken, in bytes.
    ///   - limit: How long it may take.
    /// - Returns: The response.
    /// - Throws: ``PluginClientError``; the connection is closed then.
    package nonisolated func receive(
        bodyLimit: Int = 64 << 20, within limit: Duration = .seconds(60)
    ) async throws -> PluginReply {
        let timeout = PluginClientError(.timedOut, "'\(address)' did not answer within \(limit.inSeconds)")
        return try await withTimeLimit(limit, timeout) { try await self.receiveWhole(bodyLimit) }
    }

    private func receiveWhole(_ bodyLimit: Int) async throws -> PluginReply {
        let head = try await receiveHead()
        if case .length(let length) = body, length > bodyLimit {
            throw fail(
                .tooLarge,
                "'\(address)' announces an answer of \(length) bytes: more than the \(bodyLimit) that are read",
                status: head.status)
        }
        var whole: [UInt8] = []
        while let chunk = try await receiveChunk() {
            whole += chunk
            guard whole.count <= bodyLimit else {
                throw fail(
                    .tooLarge, "'\(address)' answers without end: more than the \(bodyLimit) bytes that are read",
                    status: head.status)
            }
        }
        return PluginReply(status: head.status, headers: head.headers, body: whole)
    }

    /// Receives whatever comes until the other side ends the connection.
    ///
    /// - Parameters:
    ///   - byteLimit: So many bytes are enough: the rest is not waited for.
    ///   - limit: How long it may take.
    /// - Returns: What came, and was not read as part of a response before.
    /// - Throws: ``PluginClientError`` with code `timedOut` if no end comes.
    package nonisolated func receiveToEnd(
        byteLimit: Int = 1 << 20, within limit: Duration = .seconds(60)
    ) async throws -> [UInt8] {
        let timeout = PluginClientError(.timedOut, "'\(address)' did not end the connection within \(limit.inSeconds)")
        return try await withTimeLimit(limit, timeout) { try await self.readToEnd(byteLimit) }
    }

    private func readToEnd(_ byteLimit: Int) async throws -> [UInt8] {
        while received.readableBytes < byteLimit, try await pull() {}
        return take(min(received.readableBytes, byteLimit))
    }
}

// MARK: - Reading

extension HTTPConnection {
    /// Reads more bytes from the connection.
    ///
    /// - Returns: Whether there were any before its end.
    private func pull() async throws -> Bool {
        let promise = channel.eventLoop.makePromise(of: ByteBuffer?.self)
        let bytes: ByteBuffer?
        do {
            bytes = try await withTaskCancellationHandler {
                channel.eventLoop.execute { [inlet] in inlet.value.read(promise) }
                return try await promise.futureResult.get()
            } onCancel: {
                abandon()
            }
        } catch {
            try Task.checkCancellation()
            if let failure = error as? TLSFailure {
                throw fail(failure.code, "'\(address)' \(failure.description)")
            }
            throw fail(.dropped, "'\(address)' broke the connection off: \(reason(error))")
        }
        guard var bytes else { return false }
        trace?(.received(Array(bytes.readableBytesView)))
        received.discardReadBytes()
        received.writeBuffer(&bytes)
        return true
    }

    /// Makes sure that at least one byte is there; false is the connection's end.
    private func fill() async throws -> Bool {
        if received.readableBytes > 0 { return true }
        return try await pull()
    }

    private func take(_ count: Int) -> [UInt8] {
        received.readBytes(length: count) ?? []
    }

    private func read(atMost count: Int, wanted: Int) async throws -> [UInt8] {
        guard try await fill() else {
            throw fail(
                .badAnswer, "'\(address)' closed the connection inside its answer: \(wanted) bytes of it are missing")
        }
        return take(min(count, received.readableBytes))
    }

    private func readHead() async throws -> HTTPResponseHead {
        guard try await fill() else {
            throw fail(.dropped, "'\(address)' closed the connection without an answer")
        }
        try await checkBeginning()
        let lines = try await readFields()
        do throws(MalformedResponse) {
            return try HTTPResponseHead(lines: lines)
        } catch {
            throw fail(.badAnswer, "the answer of '\(address)' \(error.description)")
        }
    }

    /// Reads lines until an empty one.
    private func readFields() async throws -> [String] {
        var lines: [String] = []
        var size = 0
        while let line = try await readLine(), !line.isEmpty {
            lines.append(line)
            size += line.utf8.count
            guard size < Self.headLimit else {
                throw fail(.tooLarge, "'\(address)' sends header fields without end")
            }
        }
        return lines
    }

    /// What is not HTTP may hold no line end that one could wait for.
    private func checkBeginning() async throws {
        let beginning = Array("HTTP/".utf8)
        while received.readableBytes < beginning.count, beginning.starts(with: received.readableBytesView),
            try await pull()
        {}
        if received.readableBytesView.starts(with: beginning) { return }
        let start = received.readableBytesView.prefix(120)
        // A TLS alert: what was sent was no TLS.
        let isTLS = start.starts(with: [0x15, 0x03])
        throw fail(
            .badAnswer,
            isTLS
                ? "'\(address)' speaks TLS: have a .json file name it with https://"
                : "'\(address)' does not speak HTTP: it sent '\(String(decoding: start, as: UTF8.self).shown)'")
    }

    /// Reads a line without its end; nil if the connection ends in it.
    private func readLine() async throws -> String? {
        var searched = 0
        while true {
            let view = received.readableBytesView
            if let end = view.dropFirst(searched).firstIndex(of: UInt8(ascii: "\n")) {
                var line = take(end - view.startIndex + 1).dropLast()
                if line.last == UInt8(ascii: "\r") { line.removeLast() }
                return String(decoding: line, as: UTF8.self)
            }
            searched = view.count
            guard searched < Self.headLimit else {
                throw fail(.tooLarge, "'\(address)' sends a line without end")
            }
            guard try await pull() else {
                throw fail(.badAnswer, "'\(address)' closed the connection inside the head of its answer")
            }
        }
    }

    /// Reads the size of the next chunk; nil is the last one, the fields behind it read as well.
    private func readChunkSize(isFirst: Bool) async throws -> Int? {
        if !isFirst, try await readLine()?.isEmpty != true {
            throw fail(.badAnswer, "a chunk in the answer of '\(address)' does not end where it should")
        }
        let line = try await readLine() ?? ""
        let digits = line.prefix { $0 != ";" }.trimmed
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isHexDigit }), let size = Int(digits, radix: 16)
        else {
            throw fail(.badAnswer, "'\(line.shown)' in the answer of '\(address)' is no size of a chunk")
        }
        guard size == 0 else { return size }
        _ = try await readFields()
        return nil
    }

    private func fail(_ code: PluginClientError.Code, _ text: String, status: Int? = nil) -> PluginClientError {
        close()
        return PluginClientError(code, text, status: status)
    }

    private nonisolated func reason(_ error: any Error) -> String {
        (error as? IOError).map { String(cString: strerror($0.errnoCode)).lowercased() } ?? "\(error)"
    }
}
