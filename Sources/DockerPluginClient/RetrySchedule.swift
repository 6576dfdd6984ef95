// SPDX-License-Identifier: Apache-2.0

/// When a call that did not get through is tried again.
public struct RetrySchedule: Hashable, Sendable {
    /// How long to wait before the second attempt; each later pause is twice as long.
    ///
    /// Nil never tries again.
    public var firstPause: Duration?
    /// A pause that would end later than this after the first attempt is not begun.
    public var limit: Duration

    /// Makes a schedule.
    public init(firstPause: Duration?, limit: Duration) {
        self.firstPause = firstPause
        self.limit = limit
    }

    /// One attempt.
    public static let none = Self(firstPause: nil, limit: .zero)
    /// As engines do: attempts after 0, 1, 3, 7 and 15 seconds, if each fails at once.
    ///
    /// Source: `backoff` and `abort` in moby's `pkg/plugins/client.go`.
    public static let engine = Self(firstPause: .seconds(1), limit: .seconds(30))

    /// How long to wait after a failure, or nil to give up.
    ///
    /// - Parameters:
    ///   - attempts: How many attempts there were.
    ///   - elapsed: The time since the first began.
    /// - Returns: The pause.
    package func pause(after attempts: Int, elapsed: Duration) -> Duration? {
        guard let firstPause else { return nil }
        let pause = firstPause * (1 << min(attempts - 1, 20))
        return elapsed + pause < limit ? pause : nil
    }
}
