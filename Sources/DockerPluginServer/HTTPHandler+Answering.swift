// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// How answers are worked out and go out.
extension HTTPHandler {
    func answer(
        _ head: HTTPRequestHead, by target: Router.Target, body: [UInt8], context: ChannelHandlerContext
    ) {
        state = .answering(head)
        place.wasUsed.store(true, ordering: .relaxed)
        place.isBusy.store(true, ordering: .relaxed)
        releaseBody()
        if let observed { self.observed = (observed.method, .now, body.count) }
        logger.debug("request", metadata: ["request.path": "\(head.uri)", "request.bytes": "\(body.count)"])
        switch router.answer(target, body: body, from: caller) {
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
        leaving = LeavingAnswer(response, to: request, keepAlive: keepAlive)
        writeOn(context: context)
    }

    /// Writes what the client takes of the answer under way.
    func writeOn(context: ChannelHandlerContext) {
        while var answer = leaving {
            guard context.channel.isWritable else { return limitRequest(context: context) }
            leaving = nil
            let (bytes, isLast) = answer.takePiece(context.channel.allocator)
            guard isLast else {
                // Before it is written, which may ask for more.
                leaving = answer
                context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
                continue
            }
            return end(answer, with: bytes, context: context)
        }
    }

    /// Writes the last bytes of an answer.
    private func end(_ answer: LeavingAnswer, with bytes: ByteBuffer, context: ChannelHandlerContext) {
        let response = answer.response
        state = answer.keepAlive ? .idle : .closed
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
        context.writeAndFlush(wrapOutboundOut(bytes), promise: written)
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
