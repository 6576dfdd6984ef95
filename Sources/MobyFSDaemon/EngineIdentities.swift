// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import Synchronization

/// Who the engine is that calls.
///
/// The kernel is asked for a process of the same ID once a second only: no ID is used again as fast.
final class EngineIdentities: Sendable {
    private static let freshness = Duration.seconds(1)

    /// The last that called: there is one engine, most of the time.
    private let latest = Mutex<(engine: ProcessIdentity, seen: ContinuousClock.Instant)?>(nil)

    /// - Parameter processID: Of the caller.
    /// - Returns: Nil if it cannot be seen who that is.
    func identity(of processID: Int32) -> ProcessIdentity? {
        let now = ContinuousClock.now
        return latest.withLock { latest in
            if let latest, latest.engine.processID == processID, latest.seen + Self.freshness > now {
                return latest.engine
            }
            do {
                let engine = try ProcessIdentity(processID: processID) ?? .gone(processID: processID)
                latest = (engine, now)
                return engine
            } catch {
                return nil
            }
        }
    }
}
