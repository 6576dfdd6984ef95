// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// How answers are worked out and go out.
extension HTTPHandler {
    func answer(
        _ request: ServedRequest, by method: PluginMethod, context: ChannelHandlerContext
    ) {
        state = .answering(request)
        place.wasUsed.store(true, ordering: .relaxed)
        place.isBusy.store(true, ordering: .relaxed)
        releaseBody()
        let body = request.takeBody()
        if let observed { self.observed = (observed.method, .now, body.count) }
        logger.debug("request", metadata: ["request.path": "\(request.path)", "request.bytes": "\(body.count)"])
        switch method(body, caller) {
        case .now(let response): send(response, context: context)
        case .hangUp: hangUp(on: request, context: context)
        case .later(let work):
            let eventLoop = context.eventLoop
            let bound = NIOLoopBound((handler: self, request: request, context: context), eventLoop: eventLoop)
            self.work = connections.run {
                let response = await work()
                eventLoop.execute {
                    let (handler, request, context) = bound.value
                    guard let response else { return handler.hangUp(on: request, context: context) }
                    handler.send(response, context: context)
                }
            }
        }
    }

    func hangUp(on request: ServedRequest, context: ChannelHandlerContext) {
        work = nil
        place.isBusy.store(false, ordering: .relaxed)
        logger.debug("request left without an answer", metadata: ["request.path": "\(request.path)"])
        observe(nil)
        close(context: context)
    }

    func send(_ response: PluginResponse, context: ChannelHandlerContext) {
        work = nil
        place.isBusy.store(false, ordering: .relaxed)
        guard case .answering(let request) = state else {
            observe(nil, failed: response.error)
            takeBack(response)
            return
        }
        observe(response, failed: response.error)
        leaving = LeavingAnswer(response, to: request, keepAlive: request.allowsKeepAlive && !isRefused)
        writeOn(context: context)
    }

    /// Writes a piece of the answer under way, if the client takes one; the next comes after what others have to do.
    func writeOn(context: ChannelHandlerContext) {
        guard !isPieceDue, var answer = leaving else { return }
        guard context.channel.isWritable else { return limitRequest(context: context) }
        leaving = nil
        let (bytes, isLast) = answer.takePiece(context.channel.allocator)
        if isLast { return end(answer, with: bytes, context: context) }
        leaving = answer
        isPieceDue = true
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.execute {
            let (handler, context) = bound.value
            handler.isPieceDue = false
            handler.writeOn(context: context)
        }
        // This may say that there is room for more.
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
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
