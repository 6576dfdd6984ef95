// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import FoundationEssentials
import Testing

@testable import MobyFSVolumes

/// Times in records are read without Foundation where they are written as they always are, and mean the same.
@Suite struct RecordTimeTests {
    private static let format = Date.ISO8601FormatStyle()

    @Test func everyDayIsThatOfFoundation() throws {
        let day = 86_400
        // From 1970 until two of the years are over that a leap day is left out of, and one that it is not.
        for number in stride(from: 0, to: 430 * 365, by: 1) {
            let seconds = number * day + number * 7919 % day
            let text = Self.format.format(Date(timeIntervalSince1970: Double(seconds)))
            let isOfEachMonth = try #require(Int(text.dropFirst(8).prefix(2))) <= 28
            #expect(RecordTime.seconds(text) == (isOfEachMonth ? seconds : nil), "\(text)")
        }
    }

    @Test(
        arguments: [
            "", "2026-01-31T12:00:00Z", "2026-02-30T12:00:00Z", "2026-13-01T12:00:00Z", "2026-00-01T12:00:00Z",
            "2026-01-00T12:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T12:60:00Z", "2026-01-01T12:00:60Z",
            "2026-01-01 12:00:00Z", "2026-01-01T12:00:00z", "2026-01-01T12:00:00+01:00", "2026-01-01T12:00:00.5Z",
            "1969-12-31T23:59:59Z", "+026-01-01T12:00:00Z", "2026-0１-01T12:00:00Z",
        ])
    func whatIsWrittenOtherwiseIsLeftToFoundation(text: String) {
        #expect(RecordTime.seconds(text) == nil)
        let expected = try? Self.format.parse(text).timeIntervalSince1970.rounded(.down)
        #expect(Date(json: .string(text))?.timeIntervalSince1970 == expected)
    }
}
