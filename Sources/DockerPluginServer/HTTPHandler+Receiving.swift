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
        let part = unwrapInboundIn(data)
        if waiting.isEmpty, !isBusy(context) {
            take(part, context: context)
        } else {
            waiting.append(part)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isInsideRead = false
        endTurn(context: context)
        limitRequest(context: context)
        context.fireChannelReadComplete()
    }

    func takeWaiting(context: ChannelHandlerContext) {
        while !isBusy(context), let part = waiting.popFirst() {
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
        switch part {
        case .head(let head):
            if case .idle = state { begin(head, context: context) }
        case .body(let bytes):
            switch state {
            case .receiving(let request, _): take(bytes, of: request, context: context)
            case .refusing(let request, let response):
                discarded += bytes.readableBytes
                if discarded > configuration.bodyLimit { refuse(request, with: response, context: context) }
            case .idle, .answering, .closed: break
            }
        case .end:
            turn = .taken
            arrivals.sawEndOfRequest()
            endLimit()
            switch state {
            case .receiving(let request, let method): answer(request, by: method, context: context)
            case .refusing(let request, let response):
                state = .answering(request)
                send(response, context: context)
            case .idle, .answering, .closed: break
            }
        }
    }

    private func take(_ bytes: ByteBuffer, of request: ServedRequest, context: ChannelHandlerContext) {
        request.append(bytes.readableBytesView)
        let size = request.body.count
        if size > configuration.bodyLimit {
            refuse(request, with: tooLarge, context: context)
        } else if !reserve(size) {
            refuse(request, with: .failure("too much is on its way in: try again", status: 503), context: context)
        } else if size > BodyBudget.small {
            awaitNextPiece(context: context)
        }
    }

    func begin(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        discarded = 0
        let request = ServedRequest(head)
        if configuration.observer != nil { observed = (router.method(path: head.uri), .now, 0) }
        let announced = head.headers.first(name: "Content-Length").flatMap { Int($0) } ?? 0
        if announced > configuration.bodyLimit {
            refuse(request, with: tooLarge, context: context)
        } else if head.headers.contains(name: "Origin") {
            // Browsers say so, and let any page send such a request to this host; engines never do.
            state = .refusing(request, .failure("a page in a browser may not call a plugin", status: 403))
        } else {
            switch router.route(method: head.method, path: head.uri) {
            case .refused(let refusal): state = .refusing(request, refusal)
            case .to(let method):
                agree(to: head, context: context)
                // Whoever announces much may send little.
                request.expect(min(announced, BodyBudget.small))
                state = .receiving(request, method)
            }
        }
    }

    /// Tells a client that waits for it to go on with its request.
    private func agree(to head: HTTPRequestHead, context: ChannelHandlerContext) {
        if head.headers[canonicalForm: "Expect"].contains(where: { $0.lowercased() == "100-continue" }) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
        }
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
    func refuse(_ request: ServedRequest, with response: PluginResponse, context: ChannelHandlerContext) {
        state = .answering(request)
        isRefused = true
        _ = request.takeBody()
        releaseBody()
        send(response, context: context)
    }
}
