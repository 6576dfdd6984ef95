// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore

/// Stops accepting for a moment where the process has no descriptor left for another connection.
///
/// The connections wait in the kernel meanwhile. Without this the listening socket stays ready, and its thread asks for
/// the next connection as fast as it can: NIO's own handler puts off the next read, but goes on polling for it.
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private static let pause = TimeAmount.milliseconds(100)

    private let logger: Logger
    private var isPausing = false
    private var isStopping = false
    /// When it was last told.
    private var told: NIODeadline?

    init(logger: Logger) {
        self.logger = logger
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
