// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore

extension HTTPConnection {
    /// Reads more bytes from the connection.
    ///
    /// - Returns: Whether there were any before its end.
    func pull() async throws -> Bool {
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
            // Once an answer has begun, the call has arrived.
            let hasBegun = if case .none = body { received.readableBytes > 0 } else { true }
            throw fail(
                hasBegun ? .badAnswer : .dropped, "'\(address)' broke the connection off: \(reason(error))")
        }
        guard var bytes else { return false }
        trace?(.received(Array(bytes.readableBytesView)))
        received.discardReadBytes()
        received.writeBuffer(&bytes)
        return true
    }

    /// Makes sure that at least one byte is there; false is the connection's end.
    func fill() async throws -> Bool {
        if received.readableBytes > 0 { return true }
        return try await pull()
    }

    func take(_ count: Int) -> [UInt8] {
        received.readBytes(length: count) ?? []
    }

    func read(atMost count: Int, wanted: Int) async throws -> [UInt8] {
        guard try await fill() else {
            throw fail(
                .badAnswer, "'\(address)' closed the connection inside its answer: \(wanted) bytes of it are missing")
        }
        return take(min(count, received.readableBytes))
    }

    func readHead() async throws -> HTTPResponseHead {
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
    func readChunkSize(isFirst: Bool) async throws -> Int? {
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

    func fail(_ code: PluginClientError.Code, _ text: String, status: Int? = nil) -> PluginClientError {
        close()
        return PluginClientError(code, text, status: status)
    }

    nonisolated func reason(_ error: any Error) -> String {
        (error as? IOError).map { String(cString: strerror($0.errnoCode)).lowercased() } ?? "\(error)"
    }
}
