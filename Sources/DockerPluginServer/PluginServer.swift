// SPDX-License-Identifier: Apache-2.0

public import DockerPlugin
import Glibc
public import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
public import ServiceLifecycle
import Synchronization

/// Serves a plugin over HTTP/1.1 on any number of sockets.
///
/// Requests are read whole before they are answered, up to a limit of 1 MiB and of one minute. Connections are not
/// closed for being idle, as the engine would lose a call to the race, unless there are more than there is room for.
public final class PluginServer: Service {
    /// What a server is made with.
    public struct Configuration: Sendable {
        /// Where to take connections.
        public var listeners: [Listener]
        /// Connected sockets that an earlier server left when it stopped; see ``handOver``.
        public var connections: [CInt] = []
        /// The largest request body accepted, in bytes.
        public var bodyLimit = 1 << 20
        /// How much all bodies together may take up that are on their way in, in bytes; those of up to 16 KiB do not
        /// count.
        public var bodiesLimit = 64 << 20
        /// How long a request may take to come in, from its first byte to its last, and how long the client may take
        /// to read an answer.
        ///
        /// A connection whose client takes longer is closed. One between two requests is not.
        public var requestLimit = Duration.seconds(60)
        /// How long a connection may be without a request; nil, as engines want it, for any time.
        public var idleLimit: Duration?
        /// How many connections each listener may have open.
        ///
        /// One more makes the one end that has sent no request for the longest time; for a moment a quarter as many may be
        /// on their way in or out. Half of what the process may have open, unless set otherwise: work on calls needs
        /// descriptors too.
        public var connectionLimit = Int(sysconf(CInt(_SC_OPEN_MAX))) / 2
        /// Says who may call; nil lets in whoever can connect.
        ///
        /// Asked once for each connection, and for the server's own process never. Others are hung up on: any
        /// answer would be acted upon. Over TCP nothing is known of a caller but what TLS makes sure of.
        public var accepts: (@Sendable (Caller) -> Bool)?
        /// Told of each call when it has been answered, on the thread that serves the connection: it must not block.
        public var observer: (@Sendable (AnsweredCall) -> Void)?
        /// How long, after the server was told to stop, requests under way may take to end.
        public var drainLimit = Duration.seconds(20)
        /// How long a TLS handshake may take.
        public var handshakeLimit = Duration.seconds(10)
        /// How engines are told of the server; nil to leave that to others.
        public var announcement: SpecAnnouncement?
        /// Takes over each connection that is open and idle when the server stops, but for TLS, whose keys do not
        /// leave the process.
        ///
        /// It is given the descriptor, and owns it: passed on to a later server, a client in the act of sending
        /// notices nothing. Nil closes such connections.
        public var handOver: (@Sendable (CInt) -> Void)?

        /// Makes a configuration.
        ///
        /// - Parameters:
        ///   - listeners: Where to take connections.
        ///   - announcement: How engines are told of the server; nil to leave that to others.
        public init(listeners: [Listener], announcement: SpecAnnouncement? = nil) {
            self.listeners = listeners
            self.announcement = announcement
        }
    }

    private let configuration: Configuration
    private let router: Router
    private let connections: ConnectionRegistry
    private let group: MultiThreadedEventLoopGroup
    let logger: Logger
    /// Those whose TLS handshakes are under way.
    private let handshakes: ConnectionRoom
    private let bodies: BodyBudget
    private let pace = BodyPace()
    private let listening = Mutex<[SocketAddress]>([])
    /// The files of the sockets that the server has bound.
    private let files = Mutex<Set<SocketFile>>([])

    /// Makes a server; it listens from ``run()`` on.
    ///
    /// - Parameters:
    ///   - configuration: Sockets and limits.
    ///   - subsystems: What the plugin implements.
    ///   - logger: Where to log; to standard error unless another is given.
    public init(
        _ configuration: Configuration, subsystems: [any PluginSubsystem], logger: Logger = Logger(label: "plugin")
    ) {
        self.configuration = configuration
        self.router = Router(subsystems)
        self.connections = ConnectionRegistry(handOver: configuration.handOver)
        self.handshakes = ConnectionRoom(limit: min(1024, configuration.connectionLimit / 2))
        self.bodies = BodyBudget(limit: configuration.bodiesLimit)
        self.group = EventLoops.group
        self.logger = logger
    }

    /// Listens, serves until the task is cancelled or a graceful shutdown begins, and then ends each connection
    /// between two of its requests.
    public func run() async throws {
        try await run { _ in }
    }

    /// As ``run()``, and tells when the server has begun to listen.
    ///
    /// - Parameter whenListening: Called once, with the addresses the server listens on.
    /// - Returns: What `whenListening` returned, when the server has stopped.
    /// - Throws: ``ListenError`` if it cannot listen, and what `whenListening` throws.
    @discardableResult
    public func run<Announced: Sendable>(
        whenListening: @Sendable ([String]) async throws -> Announced
    ) async throws -> Announced {
        var channels: [any Channel] = []
        let announced: Announced
        var written: SpecAnnouncement.Written?
        do {
            for listener in configuration.listeners {
                channels.append(try await listener.bind(bootstrap(tls: listener.tls)))
                if case .unix(let path) = listener, let file = SocketFile(path) {
                    files.withLock { _ = $0.insert(file) }
                }
            }
            let room = ConnectionRoom(limit: configuration.connectionLimit)
            for descriptor in configuration.connections { await adopt(descriptor, in: room) }
            listening.withLock {
                $0 = zip(configuration.listeners, channels).filter { $0.0.tls == nil }.compactMap(\.1.localAddress)
            }
            written = try configuration.announcement?.write(own(channels), logger: logger)
            announced = try await whenListening(zip(configuration.listeners, channels).map { $1.address(tls: $0.tls) })
        } catch {
            await written?.takeBack(logger: logger)
            await close(channels)
            throw error
        }
        await untilStopped()
        // An engine that looks for the plugin from now on is not to be sent to a port that is being closed.
        await written?.takeBack(logger: logger)
        await stopAccepting(channels)
        await connections.drain(within: configuration.drainLimit)
        await close(channels)
        return announced
    }

    /// The sockets that the server has bound itself.
    private func own(_ channels: [any Channel]) -> [SpecAnnouncement.Bound] {
        zip(configuration.listeners, channels).compactMap { listener, channel in
            if case .descriptor = listener { return nil }
            return SpecAnnouncement.Bound(listener: listener, port: channel.localAddress?.port)
        }
    }

    private func untilStopped() async {
        // Cancellation ends the wait as a graceful shutdown does: what is under way is finished either way.
        try? await gracefulShutdown()
    }

    /// Takes no more connections, and loses none that was being taken.
    ///
    /// What connects to a socket that was passed to this process waits there for the next one. A socket of this
    /// process's own has no next one: its clients are to be refused rather than kept waiting.
    private func stopAccepting(_ channels: [any Channel]) async {
        for (listener, channel) in zip(configuration.listeners, channels) {
            if case .descriptor = listener {
                channel.pipeline.fireUserInboundEventTriggered(ConnectionRegistry.DrainEvent())
                // A channel that is closed already accepts nothing.
                try? await channel.setOption(.autoRead, value: false).get()
            } else {
                await close(channel, of: listener)
            }
        }
        // A connection that was just accepted hops from the listening socket's event loop to its own and back.
        for _ in 0..<2 {
            for eventLoop in group.makeIterator() { try? await eventLoop.submit {}.get() }
        }
    }

    private func close(_ channels: [any Channel]) async {
        for (listener, channel) in zip(configuration.listeners, channels) { await close(channel, of: listener) }
    }

    private func close(_ channel: any Channel, of listener: Listener) async {
        guard channel.isActive else { return }
        // Somebody may have taken the file away, and another server have made one in its place. Ours is told from that
        // as long as it is open.
        if case .unix(let path) = listener, let file = SocketFile(path), files.withLock({ $0.contains(file) }) {
            unlink(path)
        }
        // A listening socket that is closed already needs no closing.
        try? await channel.close().get()
    }

    private func bootstrap(tls: ServerTLS?) -> ServerBootstrap {
        let room = ConnectionRoom(limit: configuration.connectionLimit)
        return ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: Listener.backlog)
            .serverChannelOption(.maxMessagesPerRead, value: 1)
            .serverChannelInitializer { [logger] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptPause(room: room, logger: logger))
                }
            }
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.set(up: channel, in: room, tls: tls) }
            }
    }

    /// Goes on with a connection of an earlier server.
    private func adopt(_ descriptor: CInt, in room: ConnectionRoom) async {
        do {
            _ = try await ClientBootstrap(group: group)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try self.set(up: channel, in: room) }
                }
                .withConnectedSocket(descriptor).get()
        } catch {
            logger.debug("a connection handed over is gone", metadata: ["error": "\(error)"])
        }
    }

    private func set(up channel: any Channel, in room: ConnectionRoom, tls: ServerTLS? = nil) throws {
        let caller = Caller(of: channel)
        guard caller.processID == getpid() || configuration.accepts?(caller) != false else {
            logger.warning("a connection is refused", metadata: caller.logMetadata)
            return channel.close(promise: nil)
        }
        guard let place = room.enter(channel) else {
            logger.debug("a connection is refused: all others are at work")
            return channel.close(promise: nil)
        }
        let arrivals = ArrivalWatcher()
        let handler = HTTPHandler(
            router: router, connections: connections, arrivals: arrivals, room: room, place: place, bodies: bodies,
            pace: pace, caller: caller, isHandedOver: tls == nil, configuration: configuration, logger: logger)
        // Others' requests are read between two such pieces of what one client sends, or is sent; an engine's fit in one.
        try channel.syncOptions?.setOption(.maxMessagesPerRead, value: 1)
        try channel.syncOptions?.setOption(.writeSpin, value: 0)
        try channel.syncOptions?.setOption(
            .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 2048, maximum: 16384))
        // Over a unix socket the kernel tells a client that sends no more from one that is gone.
        try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: channel.isUnixSocket)
        if !channel.isUnixSocket { try channel.askWhetherPeerIsThere() }
        let pipeline = channel.pipeline.syncOperations
        if let tls {
            guard let begun = handshakes.enter(channel) else { return channel.close(promise: nil) }
            try pipeline.addHandler(NIOSSLServerHandler(context: tls.context))
            try pipeline.addHandler(
                HandshakeGuard(
                    handshakes, begun, limit: .init(configuration.handshakeLimit), authorities: tls.files.authorities,
                    logger: logger))
        }
        try pipeline.addHandler(arrivals)
        try pipeline.addHandler(
            ByteToMessageHandler(
                HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: Self.headLimits)))
        try pipeline.addHandler(handler)
        connections.add(channel)
    }
}

extension PluginServer {
    /// How much the head of a request may be: an engine's has a handful of fields.
    private static var headLimits: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 16 << 10
        limits.maxHeaderListSize = 32 << 10
        limits.maxHeaderFieldCount = 100
        return limits
    }

    /// Whether the server answers a request, made as an engine makes one: over a new connection to its own
    /// first listening socket that speaks no TLS.
    ///
    /// - Parameter limit: How long to wait for the answer.
    /// - Returns: False also where the server does not listen yet, or without TLS nowhere.
    public func answers(within limit: Duration) async -> Bool {
        guard let address = listening.withLock(\.first) else { return false }
        return await LivenessProbe.succeeds(at: address, within: limit, on: group)
    }
}

extension Channel {
    fileprivate func address(tls: ServerTLS?) -> String {
        let scheme = tls == nil ? "tcp" : "https"
        return switch localAddress {
        case .unixDomainSocket: "unix://\(localAddress?.pathname ?? "")"
        case .v4: "\(scheme)://\(localAddress?.ipAddress ?? ""):\(localAddress?.port ?? 0)"
        case .v6: "\(scheme)://[\(localAddress?.ipAddress ?? "")]:\(localAddress?.port ?? 0)"
        case nil: "unknown"
        }
    }
}
