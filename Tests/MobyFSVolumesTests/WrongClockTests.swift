// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MobyFSHost
import MobyFSTesting
import SystemPackage
import Testing

@testable import MobyFSVolumes

@Suite struct WrongClockTests {
    private static let start = Date(timeIntervalSince1970: 1_790_000_000)
    private static let year = 365.0 * 86400

    @Test func aClockThatGoesAheadForAMomentIsNotBelieved() {
        var clock = DeletionClock()
        #expect(clock.time(Self.start, uptime: 100) == Self.start)
        #expect(clock.time(Self.start + 60, uptime: 160) == Self.start + 60)
        #expect(clock.time(Self.start + 5 * Self.year, uptime: 220) == Self.start + 120)
        #expect(clock.time(Self.start + 5 * Self.year + 7200, uptime: 7420) == Self.start + 7320)
        // It is set right again.
        #expect(clock.time(Self.start + 7400, uptime: 7500) == Self.start + 7400)
    }

    @Test func aClockThatStaysAheadIsBelievedAfterADay() {
        var clock = DeletionClock()
        _ = clock.time(Self.start, uptime: 0)
        #expect(clock.time(Self.start + Self.year, uptime: 10) == Self.start + 10)
        #expect(clock.time(Self.start + Self.year + 86_000, uptime: 86_010) == Self.start + 86_010)
        #expect(clock.time(Self.start + Self.year + 90_000, uptime: 90_010) == Self.start + Self.year + 90_000)
        #expect(clock.time(Self.start + Self.year + 90_060, uptime: 90_070) == Self.start + Self.year + 90_060)
    }

    @Test func aClockThatIsSetBackIsBelievedAtOnce() {
        var clock = DeletionClock()
        _ = clock.time(Self.start, uptime: 0)
        #expect(clock.time(Self.start - Self.year, uptime: 10) == Self.start - Self.year)
        // And then it is not believed that a year has passed.
        #expect(clock.time(Self.start + 20, uptime: 20) == Self.start - Self.year + 10)
    }

    /// The machine had no battery for its clock when the volume was removed.
    @Test(arguments: ["19700101T000010Z", "20260101T000000Z"])
    func whatWasRemovedInThePastOfAWrongClockStays(stamp: String) async throws {
        try await withVolumeManager(drivers: [RecordingDriver()]) { fixture in
            try await fixture.volumes.create("db", options: ["on-remove": "trash", "trash-retention": "30d"])
            try await fixture.volumes.remove("db")
            let trash = fixture.volumes.store.trash
            let item = try #require(try trash.items().first)
            #expect(item.expiresAt != nil)
            try Files.rename(trash.root.appending(item.id), to: trash.root.appending("db.\(stamp)-1x2y3z"))
            try trash.condemnExpired(at: .now)
            #expect(try trash.items().map(\.fate) == [.stays])
            #expect(try trash.items().map(\.expiresAt) == [nil])
        }
    }
}
