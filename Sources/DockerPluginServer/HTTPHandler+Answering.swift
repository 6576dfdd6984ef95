// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// How answers are worked out and go out.
extension HTTPHandler {
    func answer(_ head: HTTPRequestHead, body: [UInt8], context: ChannelHandlerContext) {
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

    func hangUp(on head: HTTPRequestHead, context: ChannelHandlerContext) {
        work = nil
        place.isBusy.store(false, ordering: .relaxed)
        logger.debug("request left without an answer", metadata: ["request.path": "\(head.uri)"])
        observe(nil)
        close(context: context)
    }

    func send(_ response: PluginResponse, keepAlive: Bool, context: ChannelHandlerContext) {
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
    func writeOn(context: ChannelHandlerContext) {
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
            switch outcome {
            case .failure: self.takeBack(response)
            case .success: self.unread = response.undo == nil ? nil : response
            }
            self.endIfDone(context: context)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
        goOn(context: context)
    }

    /// Tells the observer what became of the request under way.
    func observe(_ response: PluginResponse?, failed error: String? = nil) {
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
