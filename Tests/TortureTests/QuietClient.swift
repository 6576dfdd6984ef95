// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage

/// A client as an engine is one, which asks now and then and wants an answer soon.
final class QuietClient: Sendable {
    /// How long answers took.
    struct Latencies: Sendable {
        private(set) var kept: [Duration] = []
        private(set) var new: [Duration] = []

        mutating func add(kept: Duration, new: Duration) {
            self.kept.append(kept)
            self.new.append(new)
        }

        static func += (all: inout Latencies, more: Latencies) {
            all.kept += more.kept
            all.new += more.new
        }

        /// What 99 of 100 do not exceed: over a connection that is kept, and over one made anew.
        var p99: (kept: Duration, new: Duration) { (Self.p99(kept), Self.p99(new)) }

        private static func p99(_ all: [Duration]) -> Duration {
            all.sorted().dropLast(all.count / 100).last ?? .zero
        }
    }

    struct Refused: Error, CustomStringConvertible {
        let description: String
    }

    private static let request = Array(Wire.post("/VolumeDriver.Get", #"{"Name":"v"}"#).utf8)

    private let daemon: RunningDaemon
    private let kept: FileDescriptor

    /// Connects to a daemon, which has to have a volume `v`.
    init(_ daemon: RunningDaemon) throws {
        self.daemon = daemon
        kept = try Self.connect(daemon)
    }

    deinit {
        // There is nothing to lose.
        try? kept.close()
    }

    /// Asks so many times; after each, `between` runs.
    func measure(_ count: Int, between: () throws -> Void = {}) throws -> Latencies {
        var latencies = Latencies()
        for _ in 0..<count {
            let first = try Self.time { try Self.get(over: kept) }
            let second = try Self.time {
                let new = try Self.connect(daemon)
                try new.closeAfter { try Self.get(over: new) }
            }
            latencies.add(kept: first, new: second)
            try between()
        }
        return latencies
    }

    private static func time(_ body: () throws -> Void) rethrows -> Duration {
        let start = ContinuousClock.now
        try body()
        return ContinuousClock.now - start
    }

    private static func connect(_ daemon: RunningDaemon) throws -> FileDescriptor {
        let descriptor = try check(socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0), "socket")
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let file = FileDescriptor(rawValue: descriptor)
        do {
            try check(withUnixAddress(daemon.socket) { Glibc.connect(descriptor, $0, $1) }, "connect")
            return file
        } catch {
            try file.close()
            throw error
        }
    }

    private static func get(over connection: FileDescriptor) throws {
        try connection.writeAll(request)
        var answer = [UInt8](repeating: 0, count: 4096)
        var count = 0
        // The answer's last bytes: of the object, and of what is in it.
        while !answer[..<count].suffix(2).elementsEqual("}}".utf8) {
            let more = try answer.withUnsafeMutableBytes { buffer in
                try connection.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
            }
            count += more
            guard more > 0 else { throw Refused(description: String(decoding: answer[..<count], as: UTF8.self)) }
        }
        guard answer.starts(with: "HTTP/1.1 200".utf8) else {
            throw Refused(description: String(decoding: answer[..<count], as: UTF8.self))
        }
    }
}
