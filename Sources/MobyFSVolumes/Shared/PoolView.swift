// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What this host has seen of a pool that others change too, and when.
final class PoolView: Sendable {
    private struct State {
        var stamps: [VolumeName: VolumeStamp] = [:]
        /// Counts what this host itself does.
        var generation: UInt64 = 0
        var touched: [VolumeName: UInt64] = [:]
        /// When any of the others was touched at the latest.
        var touchedOthers: UInt64 = 0
        var looks: [String: ContinuousClock.Instant] = [:]
        var trouble: String?
    }

    /// Of so many names it is known what happened to each: engines make up new ones all the time.
    private static let limit = 1 << 14

    /// Looks of one kind happen one by one.
    let locks = KeyedLocks<String>()
    private let state = Mutex(State())

    /// What was seen of each volume.
    var stamps: [VolumeName: VolumeStamp] { state.withLock(\.stamps) }

    /// Why the last look failed, if so: others may have done anything since.
    var trouble: String? {
        get { state.withLock(\.trouble) }
        set { state.withLock { $0.trouble = newValue } }
    }

    func note(_ stamp: VolumeStamp?, of name: VolumeName) {
        state.withLock { $0.stamps[name] = stamp }
    }

    // MARK: - What this host does

    /// How many names it is known of what happened to each.
    var rememberedNames: Int { state.withLock(\.touched.count) }

    /// Rises with everything that this host does.
    var generation: UInt64 { state.withLock(\.generation) }

    /// Notes that this host has changed a volume: a look that began before does not know of it.
    func touch(_ name: VolumeName) {
        state.withLock { state in
            if state.touched.count >= Self.limit {
                // A look that goes on comes to nothing by that, and the next one to all the more.
                state.touchedOthers = state.generation
                state.touched = [:]
            }
            state.generation += 1
            state.touched[name] = state.generation
        }
    }

    func isUntouched(_ name: VolumeName, since generation: UInt64) -> Bool {
        state.withLock { $0.touched[name, default: $0.touchedOthers] <= generation }
    }

    // MARK: - When

    /// Whether a look that succeeded has begun after a time.
    func hasLooked(_ key: String, since time: ContinuousClock.Instant) -> Bool {
        state.withLock { $0.looks[key].map { $0 >= time } ?? false }
    }

    func note(look key: String, begun time: ContinuousClock.Instant) {
        state.withLock { state in
            // Who waits for a look then has one made.
            if state.looks.count >= Self.limit { state.looks = [:] }
            state.looks[key] = time
        }
    }
}
