// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc

/// The time by which it is decided that something has been kept long enough.
///
/// A clock that goes ahead all at once is wrong, or was. What is deleted by a wrong one does not come back, so it is
/// believed when it has stayed ahead for a day; until then time goes on from where it was.
struct DeletionClock: Sendable {
    /// How far the clock may go ahead, in seconds, as it does when it is set by the network.
    private static let leap = 600.0
    /// How long it is not believed, in seconds.
    private static let doubt = 86_400.0

    /// What the clock that is believed is ahead of the time since the boot, in seconds.
    private var offset: Double?
    /// When the clock was first found ahead, in seconds since the boot.
    private var doubtedSince: Double?

    /// - Parameters:
    ///   - clock: What the host's clock says.
    ///   - uptime: Seconds since the boot, which nobody sets.
    /// - Returns: The time that is believed.
    mutating func time(_ clock: Date = .now, uptime: Double = Self.uptime) -> Date {
        let seen = clock.timeIntervalSince1970 - uptime
        if let offset, seen - offset > Self.leap {
            let since = doubtedSince ?? uptime
            doubtedSince = since
            if uptime - since < Self.doubt { return Date(timeIntervalSince1970: offset + uptime) }
        }
        offset = seen
        doubtedSince = nil
        return clock
    }

    /// With the time that the machine slept.
    private static var uptime: Double {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
