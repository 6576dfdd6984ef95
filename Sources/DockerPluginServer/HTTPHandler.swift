// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// Serves one connection: collects each request, asks the router and writes the answer.
///
/// Requests are answered one after the other; what a client sends meanwhile waits, and nothing more is read.
/// Everything here runs on the connection's event loop.
final class HTTPHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    enum State {
        case idle
        /// The request's head has come, its end has not.
        case receiving(ServedRequest, PluginMethod)
        /// The rest of the request is read and thrown away; the refusal goes out at its end.
        case refusing(ServedRequest, PluginResponse)
        /// The answer is being worked out.
        case answering(ServedRequest)
        /// The connection is closed or closing; what still comes is ignored.
        case closed
    }

    /// How the connection stands with the others on its event loop.
    enum Turn {
        /// It may begin a request.
        case free
        /// It has begun one.
        case taken
        /// It has more of them, and waits until others had theirs.
        case awaited
    }

    let router: Router
    let connections: ConnectionRegistry
    let arrivals: ArrivalWatcher
    let room: ConnectionRoom
    let place: ConnectionRoom.Place
    let bodies: BodyBudget
    let pace: BodyPace
    let caller: Caller
    /// Whether the connection may go on in another process.
    let isHandedOver: Bool
    let configuration: PluginServer.Configuration
    let logger: Logger

    var state = State.idle
    /// What works out the answer, while that takes a task.
    var work: Task<Void, Never>?
    /// Parts of requests that came while an earlier one was being answered.
    var waiting = CircularBuffer<HTTPServerRequestPart>()
    var readIsHeldBack = false
    /// Whether requests of what was read at once are being handed in.
    var isInsideRead = false
    var turn = Turn.free
    /// Whether a large body is coming in, and it is not its turn.
    var isPaced = false
    /// What of the body that is coming in counts.
    var reserved = 0
    /// How much of a body that nobody wants has come.
    var discarded = 0
    /// The answer under way.
    var leaving: LeavingAnswer?
    /// Whether its next piece is written as soon as it is this connection's turn.
    var isPieceDue = false
    /// The last answer, if it can be taken back and it is not known yet that the client has read it.
    var unread: PluginResponse?
    /// Responses that the kernel has not taken yet; the connection is not closed over them.
    var unwritten = 0
    var inputIsClosed = false
    /// Whether the rest of a request is left unread.
    var isRefused = false
    /// Whether the connection only waits for its client to go.
    var isLingering = false
    /// What the observer, if there is one, is to be told of the request under way.
    var observed: (method: String?, start: ContinuousClock.Instant, bytes: Int)?
    /// Ends the connection if the request that is coming in takes too long, or the answer to go.
    var deadline: Scheduled<Void>?
    /// Ends the connection if nothing comes.
    var idleDeadline: Scheduled<Void>?
    /// Set when the server stops: the connection ends at the next moment without a request under way.
    var isDraining = false

    init(
        router: Router, connections: ConnectionRegistry, arrivals: ArrivalWatcher, room: ConnectionRoom,
        place: ConnectionRoom.Place, bodies: BodyBudget, pace: BodyPace, caller: Caller, isHandedOver: Bool,
        configuration: PluginServer.Configuration, logger: Logger
    ) {
        self.router = router
        self.connections = connections
        self.arrivals = arrivals
        self.room = room
        self.place = place
        self.bodies = bodies
        self.pace = pace
        self.caller = caller
        self.isHandedOver = isHandedOver
        self.configuration = configuration
        self.logger = logger
    }
}
