// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import NIOCore
import NIOHTTP1

/// An answer, and what of it is to be written yet.
///
/// A large one is written as the client takes it: of one that many wait for there is one copy, not one for each.
struct LeavingAnswer {
    /// How much of an answer is written at once: less than what NIO takes before it wants a pause.
    private static let pieceSize = 32 << 10
    /// Room for a head.
    private static let headSize = 256

    let response: PluginResponse
    let keepAlive: Bool
    private let version: HTTPVersion
    private var hasHead = false
    private var body: ArraySlice<UInt8>

    init(_ response: PluginResponse, to request: ServedRequest, keepAlive: Bool) {
        self.response = response
        self.keepAlive = keepAlive
        version = request.version
        body = request.wantsBody ? response.body[...] : []
    }

    /// Takes out what is to be written next.
    ///
    /// - Returns: The bytes, and whether they are the last ones.
    mutating func takePiece(_ allocator: ByteBufferAllocator) -> (bytes: ByteBuffer, isLast: Bool) {
        let piece = body.prefix(Self.pieceSize)
        var bytes = allocator.buffer(capacity: piece.count + (hasHead ? 0 : Self.headSize))
        if !hasHead { writeHead(to: &bytes) }
        hasHead = true
        bytes.writeBytes(piece)
        body = body.dropFirst(piece.count)
        return (bytes, body.isEmpty)
    }

    /// Writes the few fields that there are, most of them always the same.
    private func writeHead(to bytes: inout ByteBuffer) {
        bytes.writeStaticString(version == .http1_0 ? "HTTP/1.0 " : "HTTP/1.1 ")
        if response.status == 200 {
            bytes.writeStaticString("200 OK")
        } else {
            bytes.writeString("\(response.status) \(HTTPResponseStatus(statusCode: response.status).reasonPhrase)")
        }
        if response.status == 405 { bytes.writeStaticString("\r\nAllow: POST") }
        if !keepAlive { bytes.writeStaticString("\r\nConnection: close") }
        // What Docker's own helper answers with; the engine does not look.
        bytes.writeStaticString("\r\nContent-Type: application/vnd.docker.plugins.v1.2+json\r\nContent-Length: ")
        bytes.writeString(String(response.body.count))
        bytes.writeStaticString("\r\n\r\n")
    }
}
