// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginServer
import Glibc
import MobyFSHost
import SystemPackage

enum HTTPFuzzing {
    /// A client that is not served within that is not served.
    private static let patience: CInt = 20_000
    private static let server = Result { try FuzzServer() }

    /// Whatever a client sends, it gets answers that it can read, and then the end.
    static func check(_ bytes: [UInt8]) throws {
        let server = try server.get()
        server.plugin.forget()
        let connection = try server.connect()
        defer { close(connection) }
        for piece in bytes.split(separator: 0xFF) {
            // A server may have hung up by now.
            guard piece.withUnsafeBytes({ send(connection, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }) > 0 else {
                break
            }
            sched_yield()
        }
        shutdown(connection, CInt(SHUT_WR))
        try check(answers: try receiveAll(connection)[...])
    }

    private static func receiveAll(_ connection: CInt) throws -> [UInt8] {
        var received: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            var waited = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
            try FuzzFinding.require(poll(&waited, 1, patience) != 0, "the server neither answers nor hangs up")
            let count = recv(connection, &chunk, chunk.count, 0)
            // A server that closes with bytes unread resets the connection.
            if count <= 0 { return received }
            received += chunk[..<count]
        }
    }

    private static func check(answers: ArraySlice<UInt8>) throws {
        var rest = answers
        while !rest.isEmpty {
            guard let end = rest.firstRange(of: Array("\r\n\r\n".utf8)) else {
                throw FuzzFinding(description: "an answer has no end: '\(String(decoding: rest, as: UTF8.self))'")
            }
            let lines = String(decoding: rest[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
            rest = rest[end.upperBound...]
            let words = lines[0].split(separator: " ")
            guard words.count > 1, words[0].hasPrefix("HTTP/"), let status = Int(words[1]) else {
                throw FuzzFinding(description: "an answer begins with '\(lines[0])'")
            }
            if status == 100 { continue }
            let length = lines.first { $0.hasPrefix("Content-Length: ") }.flatMap { Int($0.dropFirst(16)) }
            guard let length, length > 0 else { throw FuzzFinding(description: "an answer has no length") }
            // To HEAD there is none, but its length.
            if status >= 400, rest.first != UInt8(ascii: "{") { continue }
            let body = Array(rest.prefix(length))
            rest = rest.dropFirst(length)
            try FuzzFinding.require(body.count == length, "an answer is cut off")
            let error = try JSONValue(parsing: body)["Err"]
            try FuzzFinding.require(status == 200 || error?.string?.isEmpty == false, "\(status) without a reason")
        }
    }
}
