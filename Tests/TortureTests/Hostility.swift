// SPDX-License-Identifier: Apache-2.0

import MobyFSTesting
import Testing
import TortureSupport

/// A way of being a bad client.
struct Hostility: Sendable, CustomTestStringConvertible {
    enum Place: Sendable { case plugin, control, tcp }

    /// What each connection does while others want to be served.
    enum Conduct: Sendable {
        /// Nothing more.
        case holdsStill
        /// Sends a byte now and then.
        case trickles
        /// Sends all it has to, as far as it is taken, and then nothing more.
        case stalls
        /// Sends as much as it can; from an offset on once more when all is sent.
        case floods(from: Int?)
        /// Ends as soon as it has sent what it has to, and comes again.
        case comesAndGoes(abruptly: Bool)

        /// Whether there is no end to it.
        var goesOn: Bool {
            switch self {
            case .holdsStill, .trickles, .stalls, .floods(from: nil): false
            case .floods, .comesAndGoes: true
            }
        }
    }

    let name: String
    var place = Place.plugin
    let connections: Int
    var bytes: [UInt8] = []
    var conduct = Conduct.holdsStill
    /// Whether its bodies are large enough to count against the daemon's budget for them.
    var hasLargeBodies = false

    var testDescription: String { name }

    /// Whether it leaves the daemon alone but for a byte now and then.
    var isCalm: Bool {
        switch conduct {
        case .holdsStill, .trickles, .stalls: true
        case .floods, .comesAndGoes: false
        }
    }

    /// Whether each connection lasts, so that the daemon can tell it from those of others.
    ///
    /// Whoever connects anew waits in one queue of the kernel with all who do so without pause, and with the processors
    /// that they keep busy; a listener cannot choose among them. (A shorter queue would refuse others as well: connect(2)
    /// fails with EAGAIN where a socket is non-blocking, as the engine's is.)
    var connectionsLast: Bool {
        switch conduct {
        case .holdsStill, .trickles, .stalls, .floods: true
        case .comesAndGoes: false
        }
    }

    /// The memory that the daemon may take for it, at most.
    ///
    /// A connection may have sent 32 KiB of a head and 16 KiB of a body that counts nowhere; an array has up to twice
    /// that while it grows. Its channel, what it reads into (64 KiB when it sends much) and an answer that waits (64 KiB)
    /// come to that. All large bodies together are 64 MiB, twice that while they grow.
    var memoryBound: Int {
        let (perConnection, allocator) = (256 << 10, 64 << 20)
        return connections * perConnection + (hasLargeBodies ? 128 << 20 : 0) + allocator
    }

    private static let get = Array(Wire.post("/VolumeDriver.Get", #"{"Name":"v"}"#).utf8)
    private static let line = "POST /VolumeDriver.Get HTTP/1.1\r\nHost: x\r\n"

    private static func announcing(_ length: String) -> [UInt8] {
        Array("\(line)Content-Length: \(length)\r\n\r\n".utf8)
    }

    private static let crowd = Torture.isFull ? 2000 : 300
    private static let few = Torture.isFull ? 64 : 8

    static let all: [Hostility] = [
        Hostility(name: "connects and says nothing", connections: crowd),
        Hostility(name: "connects to the control socket and says nothing", place: .control, connections: crowd),
        Hostility(name: "connects over TCP and says nothing", place: .tcp, connections: crowd),
        Hostility(name: "sends a byte now and then", connections: crowd, bytes: get, conduct: .trickles),
        Hostility(
            name: "sends a byte now and then over TCP", place: .tcp, connections: crowd, bytes: get, conduct: .trickles),
        Hostility(
            name: "sends a head and no body", connections: crowd, bytes: announcing("100"), conduct: .stalls),
        Hostility(
            name: "stalls in the middle of a body of 1 MiB", connections: crowd,
            bytes: announcing("\(1 << 20)") + [UInt8](repeating: 32, count: 1 << 20 - 1), conduct: .stalls,
            hasLargeBodies: true),
        Hostility(
            name: "asks and reads no answers", connections: few,
            bytes: (0..<100_000 / few).flatMap { _ in get }, conduct: .floods(from: nil)),
        Hostility(
            // All of it is answered, as much as the kernel takes: too much for a daemon that is built for debugging.
            name: "lists and reads no answers", connections: Torture.isFull ? crowd : few,
            bytes: (0..<100).flatMap { _ in Array(Wire.post("/VolumeDriver.List", "{}").utf8) },
            conduct: .floods(from: nil)),
        Hostility(
            name: "sends 1 GiB", connections: few,
            bytes: announcing("\(1 << 30)") + [UInt8](repeating: 32, count: 1 << 20),
            conduct: .floods(from: announcing("\(1 << 30)").count)),
        Hostility(
            name: "sends 1 GiB in chunks", connections: few,
            bytes: Array("\(line)Transfer-Encoding: chunked\r\n\r\n40000000\r\n".utf8)
                + [UInt8](repeating: 32, count: 1 << 20),
            conduct: .floods(from: Array("\(line)Transfer-Encoding: chunked\r\n\r\n40000000\r\n".utf8).count),
            hasLargeBodies: true),
        Hostility(
            name: "sends 1 GiB of a body that nobody wants", connections: few,
            bytes: Array("POST /No.Such HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\n".utf8)
                + [UInt8](repeating: 32, count: 1 << 20), conduct: .floods(from: 90)),
        Hostility(
            name: "sends one field without end", connections: few,
            bytes: Array("\(line)X-Endless: ".utf8) + [UInt8](repeating: 97, count: 1 << 16),
            conduct: .floods(from: line.utf8.count + 20)),
        Hostility(
            name: "sends a path without end", connections: few,
            bytes: Array("POST /".utf8) + [UInt8](repeating: 97, count: 1 << 16),
            conduct: .floods(from: 10)),
        Hostility(
            name: "sends 100,000 fields", connections: few,
            bytes: Array((line + (0..<100_000).map { "X-\($0): x\r\n" }.joined() + "\r\n").utf8),
            conduct: .floods(from: nil)),
        Hostility(
            name: "lies about the length", connections: few,
            bytes: announcing("1") + get + announcing("-1") + announcing("1, 2") + announcing("99999999999999999999"),
            conduct: .comesAndGoes(abruptly: false)),
        Hostility(
            name: "resets in the middle", place: .tcp, connections: few, bytes: get + Array(get.dropLast(5)),
            conduct: .comesAndGoes(abruptly: true)),
        Hostility(name: "connects and goes", connections: few, conduct: .comesAndGoes(abruptly: false)),
        Hostility(
            name: "connects and goes over TCP", place: .tcp, connections: few, conduct: .comesAndGoes(abruptly: true)),
    ]
}
