// SPDX-License-Identifier: Apache-2.0

import MobyFSHost

/// How long calls may take.
///
/// The engine waits 120 s for Create and Mount and 60 s for the rest, and then tells its user of a timeout and nothing
/// else. Ended before, a call can say what was in the way.
package struct TimeLimits: Sendable {
    /// For Create and Mount.
    package var long: Duration
    /// For what an engine never asks for, and somebody at a command line waits for: copies.
    package var copying: Duration
    /// For all else.
    package var short: Duration
    /// How much longer a driver may take to clean up after itself.
    package var grace: Duration

    package init(
        long: Duration = .seconds(100), short: Duration = .seconds(45), grace: Duration = .seconds(5),
        copying: Duration = .seconds(86_400)
    ) {
        self.long = long
        self.copying = copying
        self.short = short
        self.grace = grace
    }
}

extension VolumeManager {
    /// Works on a volume while nobody else does, and replies in time.
    ///
    /// The work itself goes on when its caller has hung up or has been told that it takes too long: half of a Create or
    /// Mount is worse than all of it. The volume is locked until it ends.
    ///
    /// - Parameters:
    ///   - name: The volume.
    ///   - work: What it is about.
    ///   - limit: How long it may take, waiting for others included.
    ///   - isAlone: Whether it matters to other hosts with the same pool, so that they are not to work on the volume.
    ///   - needsPool: Whether nothing can come of it while the pool's storage is sick; nil for the same as `isAlone`.
    ///   - late: Takes back what came about after the caller was told that it did not.
    ///   - body: The work; it is given the time when it should be over.
    /// - Returns: What `body` does.
    /// - Throws: What `body` does, or ``VolumeError`` with code `unavailable` when the time is up.
    func work<Result: Sendable>(
        on name: VolumeName, for work: VolumeWork, within limit: Duration, alone isAlone: Bool = true,
        inPool needsPool: Bool? = nil, late: (@Sendable (Result) async -> Void)? = nil,
        _ body: @escaping @Sendable (ContinuousClock.Instant) async throws -> Result
    ) async throws -> Result {
        let deadline = ContinuousClock.now + limit
        // Before the volume is locked: who waits for a sick pool is in nobody's way.
        if needsPool ?? isAlone { try await requirePool(until: min(deadline, .now + limits.short)) }
        try await locks.lock(name, for: work, until: deadline)
        return try await reply(about: name, within: limit, until: deadline, late: late) {
            try await self.workLocked(on: name, until: deadline, alone: isAlone, body)
        }
    }

    /// Replies in time, whether the work is done by then or goes on.
    func reply<Result: Sendable>(
        about name: VolumeName, within limit: Duration, until deadline: ContinuousClock.Instant,
        late: (@Sendable (Result) async -> Void)? = nil, _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            let answer = FirstAnswer(continuation)
            let alarm = Alarm(at: deadline + limits.grace) {
                answer.give(
                    .failure(
                        VolumeError(
                            .unavailable,
                            "volume '\(name)': the storage did not answer within \(limit.components.seconds) s; is its server "
                                + "or disk there? the volume cannot be used until it answers")))
            }
            Task(executorPreference: BlockingWork.executor) {
                let outcome: Swift.Result<Result, any Error>
                do {
                    outcome = .success(try await body())
                } catch let error as SystemCallError {
                    let advice = VolumeError.advice(on: error)
                    outcome = .failure(
                        advice.map { VolumeError(.io, "volume '\(name)': \($0)", cause: error) } ?? error)
                } catch {
                    outcome = .failure(error)
                }
                alarm.cancel()
                if !answer.give(outcome), case .success(let result) = outcome { await late?(result) }
            }
        }
    }

    /// Works on a volume that is locked for it, and unlocks it.
    func workLocked<Result: Sendable>(
        on name: VolumeName, until deadline: ContinuousClock.Instant, alone isAlone: Bool = true,
        _ body: @escaping @Sendable (ContinuousClock.Instant) async throws -> Result
    ) async throws -> Result {
        // Before the answer: who has that may call again at once.
        defer { locks.unlock(name) }
        // Before anything is looked up: what is found is of this place.
        return try await Self.$placeOfWork.withValue(place) {
            isAlone
                ? try await sharingLock(on: name, until: deadline) { try await body(deadline) }
                : try await body(deadline)
        }
    }
}
