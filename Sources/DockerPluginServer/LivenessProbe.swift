// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore
import NIOPosix

/// One `Plugin.Activate`-like request to a server and the beginning of its answer.
///
/// It asks for a call that does not exist: that takes the whole path from accept(2) to the router and back,
/// and changes nothing.
final class LivenessProbe: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let request =
        "POST /Plugin.Probe HTTP/1.1\r\nHost: plugin\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    private static let answer = "HTTP/1.1 404"

    private enum Outcome {
        case answered
        case unanswered
        /// As many connections wait to be accepted as may.
        case crowded
    }

    private static let patience = Duration.milliseconds(10)

    private var received = ByteBuffer()
    private let outcome: EventLoopPromise<Outcome>

    private init(outcome: EventLoopPromise<Outcome>) {
        self.outcome = outcome
    }

    static func succeeds(
        at address: SocketAddress, within limit: Duration, on group: any EventLoopGroup
    ) async -> Bool {
        let end = ContinuousClock.now + limit
        while ContinuousClock.now < end {
            switch await outcome(at: address, within: end - .now, on: group) {
            case .answered: return true
            case .unanswered: return false
            case .crowded: guard (try? await Task.sleep(for: patience)) != nil else { return false }
            }
        }
        return false
    }

    private static func outcome(
        at address: SocketAddress, within limit: Duration, on group: any EventLoopGroup
    ) async -> Outcome {
        let eventLoop = group.any()
        let outcome = eventLoop.makePromise(of: Outcome.self)
        let timeout = eventLoop.scheduleTask(in: .init(limit)) { outcome.succeed(.unanswered) }
        let channel = ClientBootstrap(group: eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(LivenessProbe(outcome: outcome))
                }
            }
            .connect(to: address)
        channel.whenFailure { error in
            outcome.succeed((error as? IOError)?.errnoCode == EAGAIN ? .crowded : .unanswered)
        }
        // The promise only ever succeeds.
        let reached = (try? await outcome.futureResult.get()) ?? .unanswered
        timeout.cancel()
        channel.whenSuccess { $0.close(promise: nil) }
        return reached
    }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: Self.request)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received.writeImmutableBuffer(unwrapInboundIn(data))
        if received.readableBytes >= Self.answer.utf8.count {
            outcome.succeed(received.readableBytesView.starts(with: Self.answer.utf8) ? .answered : .unanswered)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        outcome.succeed(.unanswered)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        outcome.succeed(.unanswered)
    }
}
