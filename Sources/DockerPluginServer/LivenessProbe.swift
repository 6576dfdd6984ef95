// SPDX-License-Identifier: Apache-2.0

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

    private var received = ByteBuffer()
    private let outcome: EventLoopPromise<Bool>

    private init(outcome: EventLoopPromise<Bool>) {
        self.outcome = outcome
    }

    static func succeeds(
        at address: SocketAddress, within limit: Duration, on group: any EventLoopGroup
    ) async -> Bool {
        let eventLoop = group.any()
        let outcome = eventLoop.makePromise(of: Bool.self)
        let timeout = eventLoop.scheduleTask(in: .init(limit)) { outcome.succeed(false) }
        let channel = ClientBootstrap(group: eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(LivenessProbe(outcome: outcome))
                }
            }
            .connect(to: address)
        channel.whenFailure { _ in outcome.succeed(false) }
        // The promise only ever succeeds.
        let succeeded = (try? await outcome.futureResult.get()) ?? false
        timeout.cancel()
        channel.whenSuccess { $0.close(promise: nil) }
        return succeeded
    }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: Self.request)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received.writeImmutableBuffer(unwrapInboundIn(data))
        if received.readableBytes >= Self.answer.utf8.count {
            outcome.succeed(received.readableBytesView.starts(with: Self.answer.utf8))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        outcome.succeed(false)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        outcome.succeed(false)
    }
}
