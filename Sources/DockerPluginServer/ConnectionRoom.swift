// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// Room for so many connections at once; when it is full, a connection that nobody seems to need makes room.
///
/// Engines keep connections for later, and lose a call when one is closed as they write to it: none is closed for being
/// idle alone. But whoever connects again and again is not to take the descriptors and the memory of others. First those
/// leave who have never asked anything, in the order in which they came, but for a quarter of the room: who has just
/// come is to have the time to ask. Then those leave who have asked nothing since their last turn; and nobody while a
/// call is being worked on.
final class ConnectionRoom: Sendable {
    /// Asks a connection to end; sent through its pipeline.
    struct LeaveEvent: Sendable {
        let place: Place
    }

    /// What one connection takes up.
    final class Place: Sendable {
        /// Whether a call of the connection is being worked on.
        let isBusy = Atomic(false)
        /// Whether it has sent a whole request since its last turn.
        let wasUsed = Atomic(false)
        fileprivate let channel: any Channel
        fileprivate let standing = Atomic(Standing.inside)

        fileprivate init(_ channel: any Channel) {
            self.channel = channel
        }
    }

    fileprivate enum Standing: UInt8, AtomicRepresentable {
        case inside
        /// Asked to leave, and counted no more.
        case leaving
        case gone
    }

    private struct State {
        /// Those that are inside, in the order of their turn, and some that no longer are: those that have asked nothing
        /// yet, as far as is known, and the others.
        var fresh = CircularBuffer<Place>()
        var known = CircularBuffer<Place>()
        var count = 0

        mutating func forgetThoseGone() {
            guard fresh.count + known.count > 2 * count + 64 else { return }
            fresh.removeAll { $0.standing.load(ordering: .relaxed) != .inside }
            known.removeAll { $0.standing.load(ordering: .relaxed) != .inside }
        }

        /// Takes out whose turn to leave it is; nil if all are at work.
        mutating func takeNext(fromFreshAbove limit: Int) -> Place? {
            while fresh.count > limit, let place = fresh.popFirst() {
                guard place.standing.load(ordering: .relaxed) == .inside else { continue }
                guard place.wasUsed.exchange(false, ordering: .relaxed) else {
                    return place
                }
                known.append(place)
            }
            // Each is passed over at most once for what it did, and then once more if it is at work.
            for _ in 0..<(2 * known.count) {
                guard let place = known.popFirst() else { break }
                guard place.standing.load(ordering: .relaxed) == .inside else { continue }
                let wasUsed = place.wasUsed.exchange(false, ordering: .relaxed)
                guard wasUsed || place.isBusy.load(ordering: .relaxed) else { return place }
                known.append(place)
            }
            return limit > 0 ? takeNext(fromFreshAbove: 0) : nil
        }
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) {
        self.limit = max(1, limit)
    }

    /// Whether few of so many connections that are open are on their way in or out.
    ///
    /// A crowd comes in by so many at a time, with a pause between: one by one would be mostly pauses.
    func hasSpare(for open: Int) -> Bool {
        open - state.withLock(\.count) < max(4, limit / 4)
    }

    /// Lets a connection in.
    ///
    /// - Parameter channel: The connection; it leaves when it closes, or is told to.
    /// - Returns: Its place, or nil if all connections are at work.
    func enter(_ channel: any Channel) -> Place? {
        let place = Place(channel)
        let (isInside, leaving) = state.withLock { state -> (Bool, [Place]) in
            var leaving: [Place] = []
            while state.count >= limit {
                guard let next = state.takeNext(fromFreshAbove: limit / 4) else { return (false, leaving) }
                next.standing.store(.leaving, ordering: .relaxed)
                state.count -= 1
                leaving.append(next)
            }
            state.fresh.append(place)
            state.count += 1
            state.forgetThoseGone()
            return (true, leaving)
        }
        for other in leaving { other.channel.pipeline.fireUserInboundEventTriggered(LeaveEvent(place: other)) }
        guard isInside else { return nil }
        channel.closeFuture.whenComplete { _ in self.leave(place) }
        return place
    }

    /// Frees a place; more than once is as good as once.
    func leave(_ place: Place) {
        state.withLock { state in
            if place.standing.exchange(.gone, ordering: .relaxed) == .inside { state.count -= 1 }
        }
    }

    /// Takes back that a connection was to leave: it had begun a call before it heard of it.
    func stay(_ place: Place) {
        state.withLock { state in
            guard place.standing.load(ordering: .relaxed) == .leaving else { return }
            place.standing.store(.inside, ordering: .relaxed)
            state.known.append(place)
            state.count += 1
        }
    }
}
