// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// Serves one connection: collects each request, asks the router and writes the answer.
///
/// Requests are answered one after the other; what a client sends meanwhile waits, and nothing more is read.
/// Everything here runs on the connection's event loop.
final class HTTPHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPServerResponsePart

    /// What Docker's own helper answers with; the engine does not look.
    private static let contentType = "application/vnd.docker.plugins.v1.2+json"

    /// How much of an answer is written at once: less than what NIO takes before it wants a pause.
    private static let pieceSize = 32 << 10

    enum State {
        case idle
        /// The request's head has come, its end has not.
        case receiving(HTTPRequestHead, body: [UInt8])
        /// The rest of the request is read and thrown away; the refusal goes out at its end.
        case refusing(HTTPRequestHead, PluginResponse)
        /// The answer is being worked out.
        case answering(HTTPRequestHead)
        /// The connection is closed or closing; what still comes is ignored.
        case closed
    }

    private let router: Router
    let connections: ConnectionRegistry
    let arrivals: ArrivalWatcher
    let room: ConnectionRoom
    let place: ConnectionRoom.Place
    private let bodies: BodyBudget
    private let caller: Caller
    /// Whether the connection may go on in another process.
    let isHandedOver: Bool
    let configuration: PluginServer.Configuration
    let logger: Logger

    var state = State.idle
    /// What works out the answer, while that takes a task.
    var work: Task<Void, Never>?
    /// Parts of requests that came while an earlier one was being answered.
    var waiting = CircularBuffer<HTTPServerRequestPart>()
    private var readIsHeldBack = false
    /// Whether requests of what was read at once are being handed in.
    private var isInsideRead = false
    /// How the connection stands with the others on its event loop.
    private enum Turn {
        /// It may begin a request.
        case free
        /// It has begun one.
        case taken
        /// It has more of them, and waits until others had theirs.
        case awaited
    }

    private var turn = Turn.free
    /// What of the body that is coming in counts.
    private var reserved = 0
    /// How much of a body that nobody wants has come.
    private var discarded = 0
    /// The answer under way, and what of its body is to be written yet.
    ///
    /// A large one is written as the client takes it: of one that many wait for there is one copy, not one for each.
    var leaving: (response: PluginResponse, rest: ArraySlice<UInt8>, keepAlive: Bool)?
    /// Responses that the kernel has not taken yet; the connection is not closed over them.
    var unwritten = 0
    var inputIsClosed = false
    /// What the observer, if there is one, is to be told of the request under way.
    private var observed: (method: String?, start: ContinuousClock.Instant, bytes: Int)?
    /// Ends the connection if the request that is coming in takes too long, or the answer to go.
    var deadline: Scheduled<Void>?
    /// Ends the connection if nothing comes.
    var idleDeadline: Scheduled<Void>?
    /// Set when the server stops: the connection ends at the next moment without a request under way.
    var isDraining = false

    init(
        router: Router, connections: ConnectionRegistry, arrivals: ArrivalWatcher, room: ConnectionRoom,
        place: ConnectionRoom.Place, bodies: BodyBudget, caller: Caller, isHandedOver: Bool,
        configuration: PluginServer.Configuration, logger: Logger
    ) {
        self.router = router
        self.connections = connections
        self.arrivals = arrivals
        self.room = room
        self.place = place
        self.bodies = bodies
        self.caller = caller
        self.isHandedOver = isHandedOver
        self.configuration = configuration
        self.logger = logger
    }

    var isAnswering: Bool {
        if case .answering = state { true } else { false }
    }

    /// Whether nothing more is to be taken in for now: a call is being answered, it is the turn of others, or the client
    /// reads no answers.
    func isBusy(_ context: ChannelHandlerContext) -> Bool {
        isAnswering || turn != .free || !context.channel.isWritable
    }

    func read(context: ChannelHandlerContext) {
        if isBusy(context) {
            readIsHeldBack = true
        } else {
            context.read()
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isInsideRead = true
        waiting.append(unwrapInboundIn(data))
        takeWaiting(context: context)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isInsideRead = false
        endTurn(context: context)
        limitRequest(context: context)
        context.fireChannelReadComplete()
    }

    private func takeWaiting(context: ChannelHandlerContext) {
        while !isBusy(context), let part = waiting.popFirst() {
            if case .end = part { turn = .taken }
            take(part, context: context)
        }
    }

    /// Has the connection wait for its next turn if it has sent more than one request: between each two of them, those of
    /// others are answered.
    private func endTurn(context: ChannelHandlerContext) {
        guard turn == .taken, !isInsideRead else { return }
        guard !waiting.isEmpty else { return turn = .free }
        turn = .awaited
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.execute {
            let (handler, context) = bound.value
            handler.turn = .free
            handler.goOn(context: context)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            endLimit()
            writeOn(context: context)
        }
        goOn(context: context)
        context.fireChannelWritabilityChanged()
    }

    private func goOn(context: ChannelHandlerContext) {
        takeWaiting(context: context)
        endTurn(context: context)
        if readIsHeldBack, !isBusy(context) {
            readIsHeldBack = false
            context.read()
        }
        limitRequest(context: context)
        endIfDone(context: context)
    }

    private func take(_ part: HTTPServerRequestPart, context: ChannelHandlerContext) {
        if case .end = part {
            arrivals.sawEndOfRequest()
            endLimit()
        }
        switch (part, state) {
        case (.head(let head), .idle): begin(head, context: context)
        case (.body(let bytes), .receiving(let head, var body)):
            state = .idle  // leaves `body` the only reference, so that it grows in place
            body.append(contentsOf: bytes.readableBytesView)
            if body.count > configuration.bodyLimit {
                refuse(head, with: tooLarge, context: context)
            } else if !reserve(body.count) {
                refuse(head, with: .failure("too much is on its way in: try again", status: 503), context: context)
            } else {
                state = .receiving(head, body: body)
            }
        case (.body(let bytes), .refusing(let head, let response)):
            discarded += bytes.readableBytes
            if discarded > configuration.bodyLimit { refuse(head, with: response, context: context) }
        case (.end, .receiving(let head, let body)): answer(head, body: body, context: context)
        case (.end, .refusing(let head, let response)):
            state = .answering(head)
            send(response, keepAlive: head.isKeepAlive, context: context)
        default: break
        }
    }

    private func begin(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        discarded = 0
        if configuration.observer != nil { observed = (router.method(path: head.uri), .now, 0) }
        let announced = head.headers.first(name: "Content-Length").flatMap { Int($0) } ?? 0
        if announced > configuration.bodyLimit {
            refuse(head, with: tooLarge, context: context)
        } else if head.headers.contains(name: "Origin") {
            // Browsers say so, and let any page send such a request to this host; engines never do.
            state = .refusing(head, .failure("a page in a browser may not call a plugin", status: 403))
        } else if let refusal = router.refusal(method: head.method.rawValue, path: head.uri) {
            state = .refusing(head, refusal)
        } else {
            if head.headers[canonicalForm: "Expect"].contains(where: { $0.lowercased() == "100-continue" }) {
                let go = HTTPResponseHead(version: head.version, status: .continue)
                context.writeAndFlush(wrapOutboundOut(.head(go)), promise: nil)
            }
            var body: [UInt8] = []
            // Whoever announces much may send little.
            body.reserveCapacity(min(announced, BodyBudget.small))
            state = .receiving(head, body: body)
        }
    }

    /// Takes so much memory for the body that is coming in.
    private func reserve(_ bytes: Int) -> Bool {
        guard let total = bodies.grow(from: reserved, to: bytes) else { return false }
        reserved = total
        return true
    }

    /// Gives back what the body took.
    func releaseBody() {
        bodies.release(reserved)
        reserved = 0
    }

    private var tooLarge: PluginResponse {
        .failure("the request's body is larger than \(configuration.bodyLimit) bytes", status: 413)
    }

    /// Refuses a request whose rest is not worth reading.
    func refuse(_ head: HTTPRequestHead, with response: PluginResponse, context: ChannelHandlerContext) {
        state = .answering(head)
        releaseBody()
        send(response, keepAlive: false, context: context)
    }

    private func answer(_ head: HTTPRequestHead, body: [UInt8], context: ChannelHandlerContext) {
        state = .answering(head)
        place.wasUsed.store(true, ordering: .relaxed)
        place.isBusy.store(true, ordering: .relaxed)
        releaseBody()
        if let observed { self.observed = (observed.method, .now, body.count) }
        logger.debug("request", metadata: ["request.path": "\(head.uri)", "request.bytes": "\(body.count)"])
        switch router.answer(path: head.uri, body: body, from: caller) {
        case .now(let response):
            send(response, keepAlive: head.isKeepAlive, context: context)
        case .hangUp: hangUp(on: head, context: context)
        case .later(let work):
            let eventLoop = context.eventLoop
            let bound = NIOLoopBound((handler: self, context: context), eventLoop: eventLoop)
            self.work = connections.run {
                let response = await work()
                eventLoop.execute {
                    let (handler, context) = bound.value
                    guard let response else { return handler.hangUp(on: head, context: context) }
                    handler.send(response, keepAlive: head.isKeepAlive, context: context)
                }
            }
        }
    }

    private func hangUp(on head: HTTPRequestHead, context: ChannelHandlerContext) {
        work = nil
        place.isBusy.store(false, ordering: .relaxed)
        logger.debug("request left without an answer", metadata: ["request.path": "\(head.uri)"])
        observe(nil)
        close(context: context)
    }

    private func send(_ response: PluginResponse, keepAlive: Bool, context: ChannelHandlerContext) {
        work = nil
        place.isBusy.store(false, ordering: .relaxed)
        guard case .answering(let request) = state else {
            observe(nil, failed: response.error)
            takeBack(response)
            return
        }
        observe(response, failed: response.error)
        // After these the decoder takes what follows for another protocol.
        let keepAlive = keepAlive && request.method != .CONNECT && !request.headers.contains(name: "Upgrade")
        var head = HTTPResponseHead(version: request.version, status: .init(statusCode: response.status))
        head.headers.add(name: "Content-Type", value: Self.contentType)
        head.headers.add(name: "Content-Length", value: String(response.body.count))
        if response.status == 405 { head.headers.add(name: "Allow", value: "POST") }
        if !keepAlive { head.headers.add(name: "Connection", value: "close") }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        leaving = (response, request.method == .HEAD ? [] : response.body[...], keepAlive)
        writeOn(context: context)
    }

    /// Writes what the client takes of the answer under way.
    private func writeOn(context: ChannelHandlerContext) {
        while let rest = leaving?.rest, !rest.isEmpty {
            guard context.channel.isWritable else { return limitRequest(context: context) }
            let piece = rest.prefix(Self.pieceSize)
            leaving?.rest = rest.dropFirst(piece.count)
            context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: piece)))), promise: nil)
        }
        guard let (response, _, keepAlive) = leaving else { return }
        leaving = nil
        state = keepAlive ? .idle : .closed
        unwritten += 1
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { outcome in
            self.unwritten -= 1
            if case .failure = outcome { self.takeBack(response) }
            self.endIfDone(context: context)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
        goOn(context: context)
    }

    /// Tells the observer what became of the request under way.
    private func observe(_ response: PluginResponse?, failed error: String? = nil) {
        guard let observer = configuration.observer, let observed else { return }
        self.observed = nil
        observer(
            AnsweredCall(
                method: observed.method, caller: caller, status: response?.status, error: error,
                duration: observed.start.duration(to: .now), requestBytes: observed.bytes,
                responseBytes: response?.body.count ?? 0))
    }

    func takeBack(_ response: PluginResponse) {
        guard let undo = response.undo else { return }
        logger.notice("the engine hung up before it got the answer: its call is taken back")
        connections.run { await undo() }
    }
}
