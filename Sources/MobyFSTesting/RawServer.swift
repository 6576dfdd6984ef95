// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import Synchronization
package import SystemPackage

/// A server on a unix socket that does what a test says, byte by byte, and nothing of its own accord.
///
/// Each connection is served on a thread of its own. The server ends with the last reference to it.
package final class RawServer: Sendable {
    private let descriptor: CInt
    private let count = Atomic(0)

    /// How many connections were accepted so far.
    package var connections: Int { count.load(ordering: .relaxed) }

    /// Listens on a path.
    ///
    /// - Parameters:
    ///   - path: The socket.
    ///   - backlog: How many connections may wait to be accepted.
    ///   - serve: Called for each connection, on a thread that may block; nil accepts none. The connection is closed
    ///     after it.
    /// - Throws: `SystemCallError`.
    package init(
        _ path: FilePath, backlog: CInt = 64, serve: (@Sendable (RawConnection) throws -> Void)?
    ) throws {
        descriptor = try check(socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0), "socket")
        let listening = descriptor
        let result = withUnixAddress(path) { bind(listening, $0, $1) }
        try check(result, "bind '\(path)'")
        try check(listen(descriptor, backlog), "listen")
        guard let serve else { return }
        Task { [weak self] in
            while let accepted = await Self.accept(listening), let self {
                let number = self.count.add(1, ordering: .relaxed).newValue
                Task {
                    await BlockingWork.run {
                        // What the client does to a connection is the test's concern.
                        try? serve(RawConnection(descriptor: accepted, number: number))
                    }
                }
            }
            close(listening)
        }
    }

    deinit {
        shutdown(descriptor, CInt(SHUT_RDWR))
    }

    private static func accept(_ listening: CInt) async -> CInt? {
        await BlockingWork.run {
            let accepted = Glibc.accept(listening, nil, nil)
            return accepted >= 0 ? accepted : nil
        }
    }
}

/// One connection to a ``RawServer``.
package final class RawConnection: Sendable {
    package let descriptor: CInt
    /// 1 for the server's first connection.
    package let number: Int

    init(descriptor: CInt, number: Int) {
        self.descriptor = descriptor
        self.number = number
    }

    deinit {
        close(descriptor)
    }

    /// Receives one request, its body included; less if the client hangs up.
    package func receiveRequest() throws -> String {
        var received: [UInt8] = []
        while true {
            let text = String(decoding: received, as: UTF8.self)
            if let split = text.firstRange(of: "\r\n\r\n") {
                let length =
                    text[..<split.lowerBound].split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
                    .flatMap { Int($0.dropFirst("Content-Length: ".count)) } ?? 0
                if text[split.upperBound...].utf8.count >= length { return text }
            }
            var byte: UInt8 = 0
            guard try check(recv(descriptor, &byte, 1, 0), "receive") == 1 else { return text }
            received.append(byte)
        }
    }

    package func send(_ text: String) throws {
        try send(Array(text.utf8))
    }

    package func send(_ bytes: [UInt8]) throws {
        try sendAll(bytes, on: descriptor)
    }

    /// Answers as a plugin does.
    package func answer(_ body: String, status: String = "200 OK") throws {
        try send("HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    /// Waits until the client hangs up, whatever it sends meanwhile.
    package func waitForEnd() {
        var chunk = [UInt8](repeating: 0, count: 4096)
        while recv(descriptor, &chunk, chunk.count, 0) > 0 {}
    }
}
