// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Glibc
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// How connections end: when the client is done or takes too long, and when the server stops.
extension HTTPHandler {
    /// Takes nothing more in, and closes the connection when all answers are written.
    func close(context: ChannelHandlerContext) {
        state = .closed
        guard unwritten == 0 else { return }
        guard isRefused, !inputIsClosed, !isDraining else { return context.close(promise: nil) }
        linger(context: context)
    }

    /// Gives a client whose request is not read to its end a moment to take the answer, and go: RFC 9112, section 9.6.
    ///
    /// A connection that is closed over what was not read is reset, and may lose the answer. A client that would begin
    /// anew at once waits, too, and so takes nothing from others.
    private func linger(context: ChannelHandlerContext) {
        guard !isLingering else { return }
        isLingering = true
        context.close(mode: .output, promise: nil)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        deadline?.cancel()
        deadline = context.eventLoop.scheduleTask(in: .seconds(1)) { bound.value.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        state = .closed
        endLimit()
        idleDeadline?.cancel()
        releaseBody()
        if let leaving { takeBack(leaving.response) }
        leaving = nil
        waiting.removeAll()
        // Nobody waits for the answer any more. What is done in spite of that is taken back.
        work?.cancel()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            // Half a hang-up: the client sends no more but may still wait for an answer.
            inputIsClosed = true
            endIfDone(context: context)
        case is ConnectionRegistry.DrainEvent:
            isDraining = true
            endIfDone(context: context)
            closeUnlessAnswering(after: .seconds(1), context: context)
        case let event as ConnectionRoom.LeaveEvent:
            guard event.place === place else { return }
            if place.isBusy.load(ordering: .relaxed) { room.stay(place) } else { context.close(promise: nil) }
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    func endIfDone(context: ChannelHandlerContext) {
        guard unwritten == 0 else { return }
        if case .closed = state { return close(context: context) }
        guard case .idle = state, waiting.isEmpty else { return }
        if inputIsClosed {
            close(context: context)
        } else if isDraining, !arrivals.isInsideRequest {
            if isHandedOver { connections.handOver(context) }
            close(context: context)
        }
    }

    /// A client that does not finish its request keeps no server from stopping, and so no other client waiting.
    private func closeUnlessAnswering(after limit: TimeAmount, context: ChannelHandlerContext) {
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: limit) {
            let (handler, context) = bound.value
            if !handler.isAnswering { handler.close(context: context) }
        }
    }

    /// Gives a request that has begun to come in, and has not come whole, a time to do so, and a client as long to take
    /// an answer.
    ///
    /// Most come, and go, in one piece and need none. What waits here because of us has all the time it wants, and so
    /// has a connection between two requests, unless there is a limit for those as well.
    func limitRequest(context: ChannelHandlerContext) {
        limitIdling(context: context)
        // What a turn that comes too late begins would keep all that the connection had.
        guard deadline == nil, !context.channel.isWritable || isInsideRequest && !isAnswering, context.channel.isActive
        else { return }
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: .init(configuration.requestLimit)) {
            let (handler, context) = bound.value
            handler.logger.debug("a request did not come whole in time, or an answer was not taken")
            // An answer would be acted upon.
            context.close(promise: nil)
        }
    }

    func endLimit() {
        deadline?.cancel()
        deadline = nil
    }

    private func limitIdling(context: ChannelHandlerContext) {
        guard let limit = configuration.idleLimit else { return }
        idleDeadline?.cancel()
        guard case .idle = state, !arrivals.isInsideRequest else { return }
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        idleDeadline = context.eventLoop.scheduleTask(in: .init(limit)) {
            let (handler, context) = bound.value
            handler.close(context: context)
        }
    }

    func channelActive(context: ChannelHandlerContext) {
        limitIdling(context: context)
        context.fireChannelActive()
    }

    private var isInsideRequest: Bool {
        switch state {
        case .receiving, .refusing: true
        case .idle: arrivals.isInsideRequest
        case .answering, .closed: false
        }
    }

    /// Takes back what the client has hung up on without having read it.
    ///
    /// A unix socket says so, and of nothing else; over TCP a reset may come long after.
    private func takeBackUnread(after error: any Error, context: ChannelHandlerContext) {
        guard let response = unread, (error as? IOError)?.errnoCode == ECONNRESET, context.channel.isUnixSocket else {
            return
        }
        unread = nil
        takeBack(response)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        logger.debug("connection failed", metadata: ["error": "\(error)"])
        takeBackUnread(after: error, context: context)
        switch (error, state) {
        case (is HTTPParserError, .idle), (is HTTPParserError, .receiving), (is HTTPParserError, .refusing):
            let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: "/")
            refuse(
                ServedRequest(head), with: .failure("this is not an HTTP/1.1 request", status: 400), context: context)
        default:
            close(context: context)
        }
    }
}
