// SPDX-License-Identifier: Apache-2.0

package import DockerPluginDiscovery
import NIOCore

/// One connection to an HTTP server, over which bytes go out as they are and responses are read one by one.
///
/// Nothing is sent or read ahead of what is asked for: several requests can be sent before the first response is
/// read, a body is read a piece at a time. One task reads; sending meanwhile is fine. What has failed or timed
/// out once is closed. The connection closes with the last reference to it.
package actor HTTPConnection {
    /// A head larger than this is refused.
    static let headLimit = 256 << 10
    /// More answers of status 100 to 199 than this are refused, as Go refuses them.
    static let interimLimit = 5

    enum Body {
        case none
        case length(Int)
        /// Inside a chunk, with so much of it left; at 0 comes the next chunk's size.
        case chunk(Int, isFirst: Bool)
        case untilEnd
    }

    package nonisolated let address: PluginAddress
    let channel: any Channel
    let inlet: NIOLoopBound<ByteInlet>
    let trace: (@Sendable (TraceEvent) -> Void)?

    var received = ByteBuffer()
    var body = Body.none

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

    nonisolated func abandon() {
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
