// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Knows whether a connection is in the middle of a request, seen from its bytes.
///
/// Stands before the HTTP decoder, which keeps the beginning of a request to itself until the head is whole.
/// (The beginning of a second request that came in one piece with a first goes unseen; engines do not pipeline.)
final class ArrivalWatcher: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private(set) var isInsideRequest = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isInsideRequest = true
        context.fireChannelRead(data)
    }

    func sawEndOfRequest() {
        isInsideRequest = false
    }
}
