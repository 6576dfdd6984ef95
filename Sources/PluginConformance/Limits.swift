// SPDX-License-Identifier: Apache-2.0

/// How long things may take, and how long is waited for them to happen.
package struct Limits: Sendable {
    /// A connection.
    package var connect = Duration.seconds(10)
    /// A call: engines give up after this, too (after twice as long on Create and Mount).
    package var call = Duration.seconds(60)
    /// The same, of a plugin that has just left another call unanswered.
    package var secondChance = Duration.seconds(10)
    /// A check.
    package var check = Duration.seconds(150)
    /// All checks; those that would begin later are left out.
    package var total = Duration.seconds(900)
    /// How long a connection is left idle; common servers close theirs after 5 seconds.
    package var idle = Duration.seconds(6)
    /// An answer that takes longer is slow.
    package var slow = Duration.seconds(1)
    /// How long a plugin may take to notice that a caller is gone.
    package var settling = Duration.seconds(3)
    /// How far apart two answers are that must give the same time.
    package var clockStep = Duration.milliseconds(1100)
    /// How long a work of the file system may take.
    package var files = Duration.seconds(10)

    package init() {}
}
