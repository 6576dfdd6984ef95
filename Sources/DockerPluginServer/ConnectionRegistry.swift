// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Keeps account of open connections and of work under way, so that the server can end without cutting any off.
final class ConnectionRegistry: Sendable {
    /// Tells a connection to end as soon as it is between two requests.
    struct DrainEvent: Sendable {}

    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var work = 0
        var isDraining = false
        var whenEmpty: CheckedContinuation<Void, Never>?

        /// Takes the waiter out if there is nothing left to wait for.
        mutating func takeWaiterIfEmpty() -> CheckedContinuation<Void, Never>? {
            guard channels.isEmpty, work == 0 else { return nil }
            defer { whenEmpty = nil }
            return whenEmpty
        }
    }

    private let state = Mutex(State())
    private let handOverDescriptor: (@Sendable (CInt) -> Void)?

    /// - Parameter handOver: Given the descriptor of each connection that is open and idle when the server
    ///   stops; it owns the descriptor. Without it those connections are closed.
    init(handOver: (@Sendable (CInt) -> Void)?) {
        self.handOverDescriptor = handOver
    }

    func add(_ channel: any Channel) {
        let isDraining = state.withLock { state in
            state.channels[ObjectIdentifier(channel)] = channel
            return state.isDraining
        }
        if isDraining { channel.pipeline.fireUserInboundEventTriggered(DrainEvent()) }
        channel.closeFuture.whenComplete { _ in self.remove(channel) }
    }

    private func remove(_ channel: any Channel) {
        state.withLock { state in
            state.channels[ObjectIdentifier(channel)] = nil
            return state.takeWaiterIfEmpty()
        }?.resume()
    }

    /// Runs a call's work; ``drain()`` waits for it.
    ///
    /// - Returns: The task, for whoever loses interest in it.
    @discardableResult
    func run(_ work: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        state.withLock { $0.work += 1 }
        return Task {
            await work()
            state.withLock { state in
                state.work -= 1
                return state.takeWaiterIfEmpty()
            }?.resume()
        }
    }

    /// Ends all connections, each between two requests, and returns when the last one and all work has ended,
    /// or when the time is over: then the rest is cut off.
    func drain(within limit: Duration) async {
        let timeout = Task {
            // Cancelled when all has ended in time.
            try? await Task.sleep(for: limit)
            if !Task.isCancelled { abandon() }
        }
        await drain()
        timeout.cancel()
    }

    private func drain() async {
        let channels = state.withLock { state in
            state.isDraining = true
            return Array(state.channels.values)
        }
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(DrainEvent()) }
        await withCheckedContinuation { continuation in
            state.withLock { state in
                state.whenEmpty = continuation
                return state.takeWaiterIfEmpty()
            }?.resume()
        }
    }

    private func abandon() {
        let (channels, waiter) = state.withLock { state in
            defer { state.whenEmpty = nil }
            return (Array(state.channels.values), state.whenEmpty)
        }
        for channel in channels { channel.close(promise: nil) }
        waiter?.resume()
    }

    /// Duplicates the descriptor of an idle connection and gives it away.
    ///
    /// The duplicate keeps the connection open when the channel closes its own, and what the client sends from
    /// now on stays in the kernel for whoever reads the duplicate.
    func handOver(_ context: ChannelHandlerContext) {
        guard let handOverDescriptor else { return }
        let duplicate = try? context.channel.pipeline.syncOperations.withUnsafeTransportIfAvailable {
            (descriptor: CInt) in try duplicateDescriptor(descriptor)
        }
        // Without a duplicate the connection is closed, as it would be anyway.
        if let duplicate { handOverDescriptor(duplicate) }
    }
}
