// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import NIOCore
import NIOPosix

/// Looks a host up on a thread of its own.
///
/// NIO's own look-ups wait for one another: with one name server that does not answer, even `localhost` would not be
/// found in time.
final class HostResolver: Resolver, Sendable {
    private let short: EventLoopPromise<[SocketAddress]>
    private let long: EventLoopPromise<[SocketAddress]>

    init(on eventLoop: any EventLoop) {
        short = eventLoop.makePromise()
        long = eventLoop.makePromise()
    }

    /// The IPv4 addresses; looked up with the others.
    func initiateAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        short.futureResult
    }

    /// The IPv6 addresses.
    func initiateAAAAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        DispatchQueue(label: "host look-up").async { [short, long] in
            let outcome = Result { try Self.lookUp(host, port) }
            short.completeWith(outcome.map { $0.filter { $0.protocol == .inet } })
            long.completeWith(outcome.map { $0.filter { $0.protocol == .inet6 } })
        }
        return long.futureResult
    }

    /// A look-up goes on to its end, which nobody waits for any more.
    func cancelQueries() {}

    private static func lookUp(_ host: String, _ port: Int) throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        var first: UnsafeMutablePointer<addrinfo>?
        let failure = getaddrinfo(host, nil, &hints, &first)
        guard failure == 0 else {
            throw HostLookUpError(description: String(cString: gai_strerror(failure)).lowercased())
        }
        defer { freeaddrinfo(first) }
        return sequence(first: first) { $0?.pointee.ai_next }.prefix { $0 != nil }.compactMap { entry in
            guard let entry else { return nil }
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let result = getnameinfo(
                entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            guard result == 0 else { return nil }
            let address = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            // What getnameinfo(3) writes is an address.
            return try? SocketAddress(ipAddress: address, port: port)
        }
    }
}

/// Why a host was not found.
struct HostLookUpError: Error, CustomStringConvertible {
    let description: String
}
