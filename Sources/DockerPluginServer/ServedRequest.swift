// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1

/// A request under way: what of its head matters until it is answered, and what of its body has come.
///
/// An object, as it is handed from one state of its connection to the next.
final class ServedRequest {
    let path: String
    let version: HTTPVersion
    /// Whether an answer to it has a body.
    let wantsBody: Bool
    /// Whether the connection may go on after the answer.
    let allowsKeepAlive: Bool
    /// What of its own body has come.
    private(set) var body: [UInt8] = []

    init(_ head: HTTPRequestHead) {
        path = head.uri
        version = head.version
        wantsBody = head.method != .HEAD
        // After these two the decoder takes what follows for another protocol.
        allowsKeepAlive = head.isKeepAlive && head.method != .CONNECT && !head.headers.contains(name: "Upgrade")
    }

    /// Makes room for a body of that size.
    func expect(_ size: Int) {
        body.reserveCapacity(size)
    }

    func append(_ bytes: ByteBufferView) {
        body.append(contentsOf: bytes)
    }

    /// Hands over what has come, and keeps nothing of it.
    func takeBody() -> [UInt8] {
        defer { body = [] }
        return body
    }
}
