// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import PluginConformance

@Suite struct GoTimeTests {
    @Test(arguments: [
        "2026-11-21T10:00:00Z", "2026-11-21T10:00:00.5Z", "2026-11-21T10:00:00.123456789+01:00",
        "0001-01-01T00:00:00Z", "2024-02-29T23:59:59-23:59",
    ])
    func takesWhatGoTakes(text: String) {
        #expect(GoTime.complaint(about: text) == nil)
    }

    @Test(arguments: [
        "", "2024-01-02 03:04:05", "2024-01-02T03:04:05", "2024-01-02T03:04:05+0100", "2024-01-02T03:04:05z",
        "2024-01-02t03:04:05Z", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-00-01T00:00:00Z",
        "2024-01-00T00:00:00Z", "2024-04-31T00:00:00Z", "2024-01-02T24:00:00Z", "2024-01-02T03:60:05Z",
        "2024-01-02T03:04:60Z", "2024-01-02T3:04:05Z", "2024-01-02T03:04:05.Z", "2024-01-02T03:04:05,5Z",
        "2024-01-02T03:04:05Zx", "2024-01-02T03:04:05+24:00", "24-01-02T03:04:05Z", "Sat Nov 21 2026", "2024-01-02",
    ])
    func refusesWhatGoRefuses(text: String) {
        #expect(GoTime.complaint(about: text) != nil)
    }
}
