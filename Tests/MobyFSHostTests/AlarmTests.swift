// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSTesting
import Synchronization
import Testing

@Suite struct AlarmTests {
    private final class Record: Sendable {
        private let happened = Mutex<[String]>([])

        var events: [String] { happened.withLock { $0 } }

        func add(_ event: String) { happened.withLock { $0.append(event) } }
    }

    @Test func happensInTimeAndInOrder() async throws {
        let (record, start) = (Record(), ContinuousClock.now)
        _ = Alarm(at: start + .milliseconds(300)) { record.add("late") }
        _ = Alarm(at: start + .milliseconds(150)) { record.add("early") }
        _ = Alarm(at: start - .seconds(1)) { record.add("over") }
        try await eventually("all have happened") { record.events.count == 3 }
        #expect(record.events == ["over", "early", "late"])
        #expect(ContinuousClock.now - start >= .milliseconds(300))
    }

    @Test func doesNotHappenOnceItIsCancelled() async throws {
        let record = Record()
        let cancelled = Alarm(at: .now + .milliseconds(100)) { record.add("cancelled") }
        cancelled.cancel()
        _ = Alarm(at: .now + .milliseconds(400)) { record.add("other") }
        try await eventually("the other has happened") { record.events == ["other"] }
        cancelled.cancel()
    }

    /// What it would have done, and all that this needs, is let go of at once.
    @Test func leavesNothingBehindOnceItIsCancelled() {
        weak var kept: Record?
        do {
            let record = Record()
            kept = record
            Alarm(at: .now + .seconds(3600)) { record.add("never") }.cancel()
        }
        #expect(kept == nil)
    }
}
