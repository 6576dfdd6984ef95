// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import NIOSSL
import NIOTLS

/// Ends a connection whose TLS handshake stalls, and says why one has failed.
///
/// Stands behind the TLS handler, and leaves when the handshake is done.
final class HandshakeGuard: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let room: ConnectionRoom
    private let place: ConnectionRoom.Place
    private let limit: TimeAmount
    private let authorities: String
    private let logger: Logger
    private var timeout: Scheduled<Void>?

    /// - Parameters:
    ///   - room: Where those stand whose handshakes are under way, so that whoever does not get on with them takes the
    ///     places of nobody else.
    ///   - place: The place of this one.
    ///   - limit: How long it may take.
    ///   - authorities: The file of the authorities, for messages.
    ///   - logger: Where to log.
    init(
        _ room: ConnectionRoom, _ place: ConnectionRoom.Place, limit: TimeAmount, authorities: String, logger: Logger
    ) {
        self.room = room
        self.place = place
        self.limit = limit
        self.authorities = authorities
        self.logger = logger
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        timeout = context.eventLoop.scheduleTask(in: limit) {
            let (handler, context) = bound.value
            handler.report(
                "it did not get on with the handshake for \(handler.limit.nanoseconds / 1_000_000_000) s", context)
            // In the middle of a handshake there is nobody to say goodbye to: no wait for an answer.
            context.close(mode: .all, promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timeout?.cancel()
        room.leave(place)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event {
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        }
        // Whatever place is wanted, that of a client who has shown nothing yet is the first to go.
        if event is ConnectionRoom.LeaveEvent { return context.close(mode: .all, promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let reason = explain(error) { report(reason, context) }
        context.fireErrorCaught(error)
    }

    private func report(_ reason: String, _ context: ChannelHandlerContext) {
        let peer = context.remoteAddress.flatMap { address in
            address.ipAddress.map { "\($0) port \(address.port ?? 0)" }
        }
        logger.info(
            "TLS client turned away", metadata: ["peer.address": "\(peer ?? "unknown")", "error": "\(reason)"])
    }

    /// Says in words what BoringSSL says in codes; nil for a client that just went away.
    private func explain(_ error: any Error) -> String? {
        guard case NIOSSLError.handshakeFailed(let failure) = error, case .sslError(let stack) = failure else {
            return nil
        }
        let codes = stack.map(\.description).joined(separator: "; ")
        let reasons = [
            ("HTTP_REQUEST", "it speaks plain HTTP: this port takes https:// only"),
            ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "it shows no certificate, and one of '\(authorities)' is required"),
            (
                "CERTIFICATE_VERIFY_FAILED",
                "its certificate is expired, or was not issued for clients by an authority in '\(authorities)'"
            ),
            ("UNSUPPORTED_PROTOCOL", "it speaks no TLS 1.2 or later"),
            ("WRONG_VERSION_NUMBER", "what it speaks is not TLS"),
            ("ALERT_UNKNOWN_CA", "it does not trust the authority of this server's certificate"),
            ("ALERT_BAD_CERTIFICATE", "it refuses this server's certificate, by name perhaps"),
            ("CERTIFICATE_EXPIRED", "it says that this server's certificate has expired"),
        ]
        return reasons.first { codes.contains($0.0) }?.1 ?? codes
    }
}
