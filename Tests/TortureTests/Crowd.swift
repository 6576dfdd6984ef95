// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import MobyFSTesting
import Synchronization
import SystemPackage

/// Where a daemon can be reached.
enum Door: Sendable {
    case unix(FilePath)
    case tcp(UInt16)

    /// A new connection, whose calls never block once it is there.
    ///
    /// - Parameter isPatient: Whether to wait where too many wait already.
    /// - Returns: Its descriptor.
    /// - Throws: `SystemCallError`.
    func connect(isPatient: Bool = true) throws -> CInt {
        let domain = if case .unix = self { AF_UNIX } else { AF_INET }
        let descriptor = try check(socket(domain, CInt(SOCK_STREAM.rawValue), 0), "socket")
        do {
            if !isPatient { try check(fcntl(descriptor, F_SETFL, O_NONBLOCK), "fcntl") }
            try check(connect(descriptor), "connect")
            try check(fcntl(descriptor, F_SETFL, O_NONBLOCK), "fcntl")
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    private func connect(_ descriptor: CInt) -> CInt {
        switch self {
        case .unix(let path): return withUnixAddress(path) { Glibc.connect(descriptor, $0, $1) }
        case .tcp(let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            return withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
    }
}

/// Many connections that all misbehave in one way.
final class Crowd: Sendable {
    private struct Member {
        var descriptor: CInt
        /// How far it has come with what it sends.
        var sent = 0
    }

    /// Of how many, who do something now and then, one does so at a time.
    private static let rarity = 1000

    private let hostility: Hostility
    private let door: Door
    private let members: Mutex<[Member]>
    /// Whose turn it is, of those who do something now and then.
    private let turn = Mutex(0)
    private let isOver = Atomic(false)

    init(_ hostility: Hostility, at door: Door) throws {
        self.hostility = hostility
        self.door = door
        members = Mutex([])
        for _ in 0..<hostility.connections {
            let descriptor = try door.connect()
            members.withLock { $0.append(Member(descriptor: descriptor)) }
        }
    }

    deinit {
        members.withLock { for member in $0 { close(member.descriptor) } }
    }

    /// Runs `body` while the crowd misbehaves; one that trickles does so whenever `body` says.
    func misbehave<Result: Sendable>(
        during body: @escaping @Sendable (_ goOn: () throws -> Void) throws -> Result
    ) async throws -> Result {
        try step()
        switch hostility.conduct {
        case .trickles: return try await BlockingWork.run { try body { try self.stepNowAndThen() } }
        case .stalls:
            try await settle()
            fallthrough
        case .holdsStill: return try await BlockingWork.run { try body {} }
        case .floods, .comesAndGoes: break
        }
        async let flood: Void = BlockingWork.run {
            // Others are to wait for the daemon, not for a processor that this takes. Only root can take it back.
            if Machine.isRoot { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19) }
            defer { if Machine.isRoot { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 0) } }
            while !self.isOver.load(ordering: .relaxed) {
                self.waitUntilWritable()
                try self.step()
            }
        }
        defer { isOver.store(true, ordering: .relaxed) }
        let result = try await BlockingWork.run { try body {} }
        isOver.store(true, ordering: .relaxed)
        try await flood
        return result
    }

    /// Has each do once what it does.
    private func step() throws {
        try members.withLock { members in
            for index in members.indices { try act(&members[index]) }
        }
    }

    /// Waits until what they send before they stall is on its way, as much as the daemon takes.
    private func settle() async throws {
        var sent = -1
        // Those that the daemon hangs up on begin anew, and never come to rest.
        for _ in 0..<100 {
            let total = members.withLock { $0.reduce(0) { $0 + $1.sent } }
            guard total != sent else { return }
            sent = total
            try await Task.sleep(for: .milliseconds(20))
            try step()
        }
    }

    /// Has one of a thousand do once what it does, and the next at the next call.
    ///
    /// Together they would be a flood; at some thousand calls a second, each does so more than once a second all the same.
    private func stepNowAndThen() throws {
        let first = turn.withLock { turn in
            defer { turn = (turn + 1) % Self.rarity }
            return turn
        }
        try members.withLock { members in
            for index in stride(from: first, to: members.count, by: Self.rarity) { try act(&members[index]) }
        }
    }

    private func act(_ member: inout Member) throws {
        switch hostility.conduct {
        case .holdsStill: break
        case .trickles: try send(1, from: &member)
        case .stalls: try send(1 << 20, from: &member)
        case .floods(let offset):
            if member.sent == hostility.bytes.count, let offset { member.sent = offset }
            try send(1 << 20, from: &member)
        case .comesAndGoes(let abruptly):
            try send(1 << 20, from: &member)
            if abruptly { resetAtEnd(member.descriptor) }
            try replace(&member)
        }
    }

    private func send(_ limit: Int, from member: inout Member) throws {
        guard member.sent < hostility.bytes.count else { return }
        let count = hostility.bytes.withUnsafeBytes { bytes in
            let chunk = UnsafeRawBufferPointer(rebasing: bytes[member.sent...].prefix(limit))
            return Glibc.send(member.descriptor, chunk.baseAddress, chunk.count, CInt(MSG_NOSIGNAL))
        }
        if count > 0 {
            member.sent += count
        } else if errno != EAGAIN {
            // The daemon hung up, and has all reason to.
            try replace(&member)
        }
    }

    private func resetAtEnd(_ descriptor: CInt) {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    private func replace(_ member: inout Member) throws {
        let new = try door.connect()
        close(member.descriptor)
        member = Member(descriptor: new)
    }

    private func waitUntilWritable() {
        var requests = members.withLock { members in
            members.filter { $0.sent < hostility.bytes.count || hostility.conduct.goesOn }.map {
                pollfd(fd: $0.descriptor, events: Int16(POLLOUT), revents: 0)
            }
        }
        poll(&requests, nfds_t(requests.count), 20)
    }
}
