// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore

/// Stops accepting for a moment where there is no descriptor for another connection, or too many have no place.
///
/// The connections wait in the kernel meanwhile. Without this the listening socket stays ready, and its thread asks for
/// the next connection as fast as it can: NIO's own handler puts off the next read, but goes on polling for it.
///
/// Whoever finds no place in the room is hung up on, and so is who makes place, on threads that may be late. Until then
/// they are open, and a crowd of them would take the descriptors that work on calls needs.
final class AcceptPause: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never

    private static let pause = TimeAmount.milliseconds(100)
    /// Threads that are late have the processor by then.
    private static let crowdPause = TimeAmount.milliseconds(1)

    private let room: ConnectionRoom
    private let logger: Logger
    private var open = 0
    private var isPausing = false
    private var isStopping = false
    /// When it was last told.
    private var told: NIODeadline?

    /// - Parameters:
    ///   - room: Where the accepted connections go.
    ///   - logger: Where to say that there are no more descriptors.
    init(room: ConnectionRoom, logger: Logger) {
        self.room = room
        self.logger = logger
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        open += 1
        unwrapInboundIn(data).closeFuture.hop(to: context.eventLoop).assumeIsolated().whenComplete { _ in
            self.open -= 1
        }
        context.fireChannelRead(data)
    }

    func read(context: ChannelHandlerContext) {
        if room.hasSpare(for: open) { return context.read() }
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.crowdPause) {
            let (handler, context) = bound.value
            if !handler.isStopping { handler.read(context: context) }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ConnectionRegistry.DrainEvent { isStopping = true }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError else { return context.fireErrorCaught(error) }
        guard !isPausing, !isStopping else { return }
        isPausing = true
        if told.map({ .now() - $0 > .seconds(60) }) ?? true {
            told = .now()
            logger.error("connections cannot be accepted; they wait", metadata: ["error": "\(error)"])
        }
        setReading(false, context)
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.pause) {
            let (handler, context) = bound.value
            handler.isPausing = false
            if !handler.isStopping { handler.setReading(true, context) }
        }
    }

    private func setReading(_ isReading: Bool, _ context: ChannelHandlerContext) {
        // A channel that is closed by now reads nothing anyway.
        try? context.channel.syncOptions?.setOption(.autoRead, value: isReading)
    }
}
