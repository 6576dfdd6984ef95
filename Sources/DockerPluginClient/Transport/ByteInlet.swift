// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL
import NIOTLS

/// The end of a connection's pipeline: hands over what comes in, a piece at a time, to whoever asks.
///
/// Nothing is read from the socket unless somebody waits for it, so that a plugin that sends without end fills no
/// memory. All of it runs on the connection's event loop.
final class ByteInlet: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private enum State {
        case connecting
        case open
        /// Nothing more comes; the error is for whoever asks, nil is a plain end.
        case ended((any Error)?)
    }

    private let tls: TLSPeerCheck?
    private var state = State.connecting
    private var context: ChannelHandlerContext?
    private var buffered = ByteBuffer()
    private var whenReady: EventLoopPromise<TLSFacts?>?
    private var reader: EventLoopPromise<ByteBuffer?>?
    private var facts: TLSFacts?

    /// - Parameter tls: What to check when a TLS handshake has ended; nil if there is none.
    init(tls: TLSPeerCheck?) {
        self.tls = tls
    }

    /// Waits until bytes can be sent.
    func waitUntilReady(_ promise: EventLoopPromise<TLSFacts?>) {
        switch state {
        case .connecting: whenReady = promise
        case .open: promise.succeed(facts)
        case .ended(let error): promise.fail(error ?? ChannelError.eof)
        }
    }

    /// Waits for the next bytes; nil is the end.
    func read(_ promise: EventLoopPromise<ByteBuffer?>) {
        if buffered.readableBytes > 0 {
            promise.succeed(buffered)
            buffered = ByteBuffer()
            return
        }
        switch state {
        case .connecting, .open:
            reader?.fail(CancellationError())
            reader = promise
            context?.read()
        case .ended(nil): promise.succeed(nil)
        case .ended(let error?): promise.fail(error)
        }
    }

    /// Ends everything at once, whatever the other side does.
    func abandon() {
        end(CancellationError())
        context?.close(promise: nil)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end(nil)
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        if tls == nil {
            becomeReady(nil)
        } else {
            // The other side's part of the handshake.
            context.read()
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case TLSUserEvent.handshakeCompleted:
            do {
                becomeReady(try tls?.check(context.pipeline.syncOperations))
            } catch {
                end(error)
                context.close(promise: nil)
            }
        case ChannelEvent.inputClosed: end(nil)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    private func becomeReady(_ facts: TLSFacts?) {
        guard case .connecting = state else { return }
        state = .open
        self.facts = facts
        whenReady?.succeed(facts)
        whenReady = nil
        if reader != nil { context?.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if let reader {
            self.reader = nil
            reader.succeed(bytes)
        } else {
            buffered.writeBuffer(&bytes)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error as? NIOSSLError {
        // Closed without TLS's good-bye: what is missing shows in the HTTP inside.
        case .uncleanShutdown: end(nil)
        default: end(tls?.explain(error, context.pipeline.syncOperations) ?? error)
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(nil)
        context.fireChannelInactive()
    }

    private func end(_ error: (any Error)?) {
        if case .ended = state { return }
        state = .ended(error)
        whenReady?.fail(error ?? ChannelError.eof)
        whenReady = nil
        if let error { reader?.fail(error) } else { reader?.succeed(nil) }
        reader = nil
    }
}
