// SPDX-License-Identifier: Apache-2.0

package import DockerPluginDiscovery
import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Makes connections to one endpoint.
package final class PluginTransport: Sendable {
    package let endpoint: PluginEndpoint
    private let trace: (@Sendable (TraceEvent) -> Void)?
    private let settings = Mutex<TLSSettings?>(nil)

    /// Names an endpoint; files of certificates are read before the first connection.
    ///
    /// - Parameters:
    ///   - endpoint: Where the plugin listens.
    ///   - trace: Told what happens on each connection.
    package init(_ endpoint: PluginEndpoint, trace: (@Sendable (TraceEvent) -> Void)? = nil) {
        self.endpoint = endpoint
        self.trace = trace
    }

    /// Makes a connection, the handshake of TLS included.
    ///
    /// - Parameter limit: How long it may take.
    /// - Returns: A connection that is ready for a request.
    /// - Throws: ``PluginClientError``.
    package func connect(within limit: Duration = .seconds(10)) async throws -> HTTPConnection {
        let progress = Progress()
        do {
            return try await withTimeLimit(limit, TooLate()) { try await self.connect(progress) }
        } catch is TooLate {
            throw PluginClientError(
                .timedOut, "no connection to '\(endpoint.address)' within \(limit.inSeconds): \(hold(progress))")
        }
    }

    private struct TooLate: Error {}

    /// How far a connection has come.
    private final class Progress: Sendable {
        let isConnected = Atomic(false)
    }

    /// What a connection waits for.
    private func hold(_ progress: Progress) -> String {
        if progress.isConnected.load(ordering: .relaxed) { return "it does not finish the TLS handshake" }
        switch endpoint.address.transport {
        case .unix: return "it does not answer"
        case .tcp(let host, _), .tls(let host, _):
            // No IP address, so a name.
            let isName = (try? SocketAddress(ipAddress: host, port: 0)) == nil
            return isName ? "the host does not answer, or its name is not found" : "the host does not answer"
        }
    }

    private func connect(_ progress: Progress) async throws -> HTTPConnection {
        let address = endpoint.address
        switch address.transport {
        case .unix(let path):
            return try await finish(nil, progress) { bootstrap, _ in
                bootstrap.withConnectedSocket(try UnixSocket.connect(path))
            }
        case .tcp(let host, let port): return try await finish(nil, progress) { $0.connect(to: host, port, on: $1) }
        case .tls(let host, let port):
            let settings = try await tlsSettings(for: host)
            return try await finish(settings, progress) { $0.connect(to: host, port, on: $1) }
        }
    }

    /// What the certificates and the configuration amount to; read once, as engines read them.
    private func tlsSettings(for host: String) async throws -> TLSSettings {
        if let settings = settings.withLock({ $0 }) { return settings }
        let spec = endpoint.tls
        let address = endpoint.address
        // Reads files, the system's authorities among them.
        let new = try await NIOThreadPool.singleton.runIfActive {
            try TLSSettings(spec, host: host, address: address.description)
        }
        settings.withLock { $0 = new }
        return new
    }

    private func finish(
        _ tls: TLSSettings?, _ progress: Progress,
        _ connect: (ClientBootstrap, any EventLoop) throws -> EventLoopFuture<any Channel>
    ) async throws -> HTTPConnection {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.any()
        // There may be several, for the addresses of one host are tried side by side; and a channel that was closed
        // meanwhile has no handlers any more.
        let inlets = Mutex<[ObjectIdentifier: NIOLoopBound<ByteInlet>]>([:])
        let bootstrap = ClientBootstrap(group: eventLoop)
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            // The limit proper is the caller's, and covers the handshake.
            .connectTimeout(.minutes(5))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(tls.handler()) }
                    let inlet = ByteInlet(tls: tls?.check)
                    try channel.pipeline.syncOperations.addHandler(inlet)
                    inlets.withLock { $0[ObjectIdentifier(channel)] = NIOLoopBound(inlet, eventLoop: eventLoop) }
                }
            }
        let address = endpoint.address
        do {
            let channel = try await Self.connected(connect(bootstrap, eventLoop), on: eventLoop)
            progress.isConnected.store(true, ordering: .relaxed)
            guard let inlet = inlets.withLock({ $0[ObjectIdentifier(channel)] }) else { throw ChannelError.eof }
            let connection = HTTPConnection(address: address, channel: channel, inlet: inlet, trace: trace)
            let facts = try await connection.ready()
            trace?(.note("connected to \(address)"))
            facts?.sentences.forEach { trace?(.note($0)) }
            return connection
        } catch {
            throw ConnectFailure.explain(error, address: address)
        }
    }

    /// The channel, or the end of waiting for it when the task is cancelled.
    private static func connected(
        _ future: EventLoopFuture<any Channel>, on eventLoop: any EventLoop
    ) async throws -> any Channel {
        let promise = eventLoop.makePromise(of: (any Channel).self)
        promise.futureResult.whenFailure { _ in future.whenSuccess { $0.close(promise: nil) } }
        future.cascade(to: promise)
        return try await withTaskCancellationHandler {
            try await promise.futureResult.get()
        } onCancel: {
            promise.fail(CancellationError())
        }
    }
}

extension ClientBootstrap {
    /// Looks the host up only if it is a name.
    fileprivate func connect(
        to host: String, _ port: Int, on eventLoop: any EventLoop
    ) -> EventLoopFuture<any Channel> {
        // No IP address, so a name.
        if let address = try? SocketAddress(ipAddress: host, port: port) { return connect(to: address) }
        return resolver(HostResolver(on: eventLoop)).connect(host: host, port: port)
    }
}

/// Connects to unix sockets, whose paths may be longer than NIO's own way allows.
enum UnixSocket {
    /// - Returns: A descriptor that is the caller's.
    static func connect(_ path: String) throws -> CInt {
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | nonBlocking | closeOnExec, 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            close(descriptor)
            throw IOError(errnoCode: ENAMETOOLONG, reason: "connect")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, size) }
        }
        guard result == 0 else {
            let reason = errno
            close(descriptor)
            throw IOError(errnoCode: reason, reason: "connect")
        }
        return descriptor
    }

    private static let nonBlocking = CInt(SOCK_NONBLOCK.rawValue)
    private static let closeOnExec = CInt(SOCK_CLOEXEC.rawValue)
}
