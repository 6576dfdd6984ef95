// SPDX-License-Identifier: Apache-2.0

package import Glibc
import MobyFSHost
package import SystemPackage

/// Calls `body` with the address of a unix socket.
package func withUnixAddress<Result>(
    _ path: FilePath, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.string.utf8)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
}

/// Sends bytes over a socket until the kernel has taken all of them.
func sendAll(_ bytes: [UInt8], on descriptor: CInt) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
        rest = rest.dropFirst(try check(count, "send"))
    }
}

/// A connection that sends and receives bytes as a test wants them, without the help of any HTTP library.
///
/// Receiving blocks a thread of its own, so that a server in the same process goes on.
package final class Wire: Sendable {
    private let descriptor: CInt

    package static var ownProcessID: Int32 { getpid() }

    /// Connects to a unix socket.
    package init(_ path: FilePath, patience seconds: Int = 20) throws {
        descriptor = try check(socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0), "socket")
        let result = withUnixAddress(path) { connect(descriptor, $0, $1) }
        try check(result, "connect '\(path)'")
        limitWaiting(seconds)
    }

    /// Connects to a port of 127.0.0.1.
    package init(port: UInt16) throws {
        descriptor = try check(socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0), "socket")
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        try check(result, "connect to port \(port)")
        limitWaiting()
    }

    deinit {
        Glibc.close(descriptor)
    }

    /// A test that waits for ever says less than one that fails.
    private func limitWaiting(_ seconds: Int = 20) {
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    package func send(_ text: String) throws {
        try send(Array(text.utf8))
    }

    package func send(_ bytes: [UInt8]) throws {
        try sendAll(bytes, on: descriptor)
    }

    /// Receives one response, a head and as many bytes as it announces; less if the server hangs up.
    package func receive() async throws -> String {
        try await BlockingWork.run { try self.receiveOne() }
    }

    private func receiveOne() throws -> String {
        var received: [UInt8] = []
        // Looked at before it is taken, so that the next response stays where it is.
        var chunk = [UInt8](repeating: 0, count: 4096)
        var isHeadWhole = false
        while !isHeadWhole {
            let count = try check(recv(descriptor, &chunk, chunk.count, CInt(MSG_PEEK)), "receive")
            guard count > 0 else { return String(decoding: received, as: UTF8.self) }
            var end = 0
            while end < count, !isHeadWhole {
                received.append(chunk[end])
                end += 1
                isHeadWhole = received.last == UInt8(ascii: "\n") && received.suffix(4).elementsEqual("\r\n\r\n".utf8)
            }
            _ = try check(recv(descriptor, &chunk, end, 0), "receive")
        }
        let head = String(decoding: received, as: UTF8.self).lowercased()
        let length =
            head.split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
            .flatMap { Int($0.dropFirst("content-length:".count).drop { $0 == " " }) } ?? 0
        let end = received.count + length
        while received.count < end, try receive(atMost: end - received.count, into: &received) {}
        return String(decoding: received, as: UTF8.self)
    }

    /// - Returns: Whether there was anything; else the server has hung up.
    private func receive(atMost limit: Int, into received: inout [UInt8]) throws -> Bool {
        var chunk = [UInt8](repeating: 0, count: min(limit, 65536))
        let count = try check(recv(descriptor, &chunk, chunk.count, 0), "receive")
        received += chunk[..<count]
        return count > 0
    }

    /// Waits until the first byte of an answer is there, and leaves it there.
    package func waitForAnswer() async throws {
        let descriptor = descriptor
        try await BlockingWork.run {
            var byte: UInt8 = 0
            try check(recv(descriptor, &byte, 1, CInt(MSG_PEEK)), "wait for an answer")
        }
    }

    /// Receives until the server hangs up.
    package func receiveAll() async throws -> String {
        await BlockingWork.run { self.receiveToEnd() }
    }

    private func receiveToEnd() -> String {
        var received: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            // A server that closes with bytes unread resets the connection.
            if count <= 0 { return String(decoding: received, as: UTF8.self) }
            received += chunk[..<count]
        }
    }

    package func exchange(_ request: String) async throws -> String {
        try send(request)
        return try await receive()
    }

    /// Says that no more is sent.
    package func endSending() {
        shutdown(descriptor, CInt(SHUT_WR))
    }

    /// Hangs up; the descriptor itself is closed at the end of the object.
    package func close() {
        shutdown(descriptor, CInt(SHUT_RDWR))
    }

    /// Ends as a process does that is killed, with whatever is unread; nothing can be done with it afterwards.
    package func vanish() {
        // The number stays taken, so that no other file gets it before the end.
        let nothing = open("/dev/null", O_RDONLY | O_CLOEXEC)
        dup2(nothing, descriptor)
        Glibc.close(nothing)
    }

    /// A request as Go's client writes it for an engine.
    package static func post(_ path: String, _ body: String, headers: [String] = ["Host: plugin.moby.localhost"])
        -> String
    {
        var lines = ["POST \(path) HTTP/1.1"] + headers
        lines += ["User-Agent: Go-http-client/1.1", "Content-Length: \(body.utf8.count)"]
        lines += ["Accept: application/vnd.docker.plugins.v1.2+json", "", body]
        return lines.joined(separator: "\r\n")
    }
}

extension FilePath {
    /// Whether some process takes connections at this unix socket; that there is a file is so a moment before.
    package var isListeningSocket: Bool {
        // Num RefCount Protocol Flags Type St Inode Path: proc(5); the flag is __SO_ACCEPTCON.
        let bytes = (try? DurableFile.read("/proc/net/unix", limit: 1 << 26)) ?? []
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        return lines.contains { $0.contains(" 00010000 ") && $0.hasSuffix(" \(self)") }
    }
}
