// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import NIOCore
import NIOHTTP1

/// How requests come in: one part after the other, and one request of a connection at a time.
extension HTTPHandler {
    var isAnswering: Bool {
        if case .answering = state { true } else { false }
    }

    /// Whether nothing more is to be taken in for now: a call is being answered, it is the turn of others, or of their
    /// large bodies, the client reads no answers, or it is about to go.
    func isBusy(_ context: ChannelHandlerContext) -> Bool {
        isAnswering || isLingering || isPaced || turn != .free || !context.channel.isWritable
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
        // Who goes on has read it.
        unread = nil
        waiting.append(unwrapInboundIn(data))
        takeWaiting(context: context)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isInsideRead = false
        endTurn(context: context)
        limitRequest(context: context)
        context.fireChannelReadComplete()
    }

    func takeWaiting(context: ChannelHandlerContext) {
        while !isBusy(context), let part = waiting.popFirst() {
            if case .end = part { turn = .taken }
            take(part, context: context)
        }
    }

    /// Has the connection wait for its next turn if it has sent more than one request: between each two of them, those of
    /// others are answered.
    func endTurn(context: ChannelHandlerContext) {
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

    func goOn(context: ChannelHandlerContext) {
        takeWaiting(context: context)
        endTurn(context: context)
        if readIsHeldBack, !isBusy(context) {
            readIsHeldBack = false
            context.read()
        }
        limitRequest(context: context)
        endIfDone(context: context)
    }

    func take(_ part: HTTPServerRequestPart, context: ChannelHandlerContext) {
        if case .end = part {
            arrivals.sawEndOfRequest()
            endLimit()
        }
        switch (part, state) {
        case (.head(let head), .idle): begin(head, context: context)
        case (.body(let bytes), .receiving(let head, let target, var body)):
            state = .idle  // leaves `body` the only reference, so that it grows in place
            body.append(contentsOf: bytes.readableBytesView)
            if body.count > configuration.bodyLimit {
                refuse(head, with: tooLarge, context: context)
            } else if !reserve(body.count) {
                refuse(head, with: .failure("too much is on its way in: try again", status: 503), context: context)
            } else {
                let isLarge = body.count > BodyBudget.small
                state = .receiving(head, target, body: body)
                if isLarge { awaitNextPiece(context: context) }
            }
        case (.body(let bytes), .refusing(let head, let response)):
            discarded += bytes.readableBytes
            if discarded > configuration.bodyLimit { refuse(head, with: response, context: context) }
        case (.end, .receiving(let head, let target, let body)):
            answer(head, by: target, body: body, context: context)
        case (.end, .refusing(let head, let response)):
            state = .answering(head)
            send(response, keepAlive: head.isKeepAlive, context: context)
        default: break
        }
    }

    func begin(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        discarded = 0
        if configuration.observer != nil { observed = (router.method(path: head.uri), .now, 0) }
        let announced = head.headers.first(name: "Content-Length").flatMap { Int($0) } ?? 0
        if announced > configuration.bodyLimit {
            refuse(head, with: tooLarge, context: context)
        } else if head.headers.contains(name: "Origin") {
            // Browsers say so, and let any page send such a request to this host; engines never do.
            state = .refusing(head, .failure("a page in a browser may not call a plugin", status: 403))
        } else {
            switch router.route(method: head.method, path: head.uri) {
            case .refused(let refusal): state = .refusing(head, refusal)
            case .to(let target): receive(head, for: target, announced: announced, context: context)
            }
        }
    }

    /// Takes in the body of a request.
    private func receive(
        _ head: HTTPRequestHead, for target: Router.Target, announced: Int, context: ChannelHandlerContext
    ) {
        if head.headers[canonicalForm: "Expect"].contains(where: { $0.lowercased() == "100-continue" }) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
        }
        var body: [UInt8] = []
        // Whoever announces much may send little.
        body.reserveCapacity(min(announced, BodyBudget.small))
        state = .receiving(head, target, body: body)
    }

    private func awaitNextPiece(context: ChannelHandlerContext) {
        isPaced = true
        let eventLoop = context.eventLoop
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: eventLoop)
        pace.wait(on: eventLoop) {
            eventLoop.execute {
                let (handler, context) = bound.value
                handler.isPaced = false
                handler.goOn(context: context)
            }
        }
    }

    /// Takes so much memory for the body that is coming in.
    func reserve(_ bytes: Int) -> Bool {
        guard let total = bodies.grow(from: reserved, to: bytes) else { return false }
        reserved = total
        return true
    }

    /// Gives back what the body took.
    func releaseBody() {
        bodies.release(reserved)
        reserved = 0
    }

    var tooLarge: PluginResponse {
        .failure("the request's body is larger than \(configuration.bodyLimit) bytes", status: 413)
    }

    /// Refuses a request whose rest is not worth reading.
    func refuse(_ head: HTTPRequestHead, with response: PluginResponse, context: ChannelHandlerContext) {
        state = .answering(head)
        isRefused = true
        releaseBody()
        send(response, keepAlive: false, context: context)
    }
}
