// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import NIOCore
import NIOHTTP1

/// An answer, and what of it is to be written yet.
///
/// A large one is written as the client takes it: of one that many wait for there is one copy, not one for each.
struct LeavingAnswer {
    /// What Docker's own helper answers with; the engine does not look.
    private static let contentType = "application/vnd.docker.plugins.v1.2+json"
    /// How much of an answer is written at once: less than what NIO takes before it wants a pause.
    private static let pieceSize = 32 << 10

    let response: PluginResponse
    let keepAlive: Bool
    private var head: String?
    private var body: ArraySlice<UInt8>

    init(_ response: PluginResponse, to request: HTTPRequestHead, keepAlive: Bool) {
        self.response = response
        self.keepAlive = keepAlive
        // Written as one text, as a few fields that are always the same need nothing more.
        head = """
            HTTP/\(request.version.major).\(request.version.minor) \(Self.statusLine(response.status))\r
            Content-Type: \(Self.contentType)\r
            Content-Length: \(response.body.count)\r
            \(response.status == 405 ? "Allow: POST\r\n" : "")\(keepAlive ? "" : "Connection: close\r\n")\r

            """
        body = request.method == .HEAD ? [] : response.body[...]
    }

    private static func statusLine(_ code: Int) -> String {
        code == 200 ? "200 OK" : "\(code) \(HTTPResponseStatus(statusCode: code).reasonPhrase)"
    }

    /// Takes out what is to be written next.
    ///
    /// - Returns: The bytes, and whether they are the last ones.
    mutating func takePiece(_ allocator: ByteBufferAllocator) -> (bytes: ByteBuffer, isLast: Bool) {
        let piece = body.prefix(Self.pieceSize)
        var bytes = allocator.buffer(capacity: piece.count + (head?.utf8.count ?? 0))
        if let head { bytes.writeString(head) }
        bytes.writeBytes(piece)
        head = nil
        body = body.dropFirst(piece.count)
        return (bytes, body.isEmpty)
    }
}
