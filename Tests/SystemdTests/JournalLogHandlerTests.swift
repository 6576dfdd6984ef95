// SPDX-License-Identifier: Apache-2.0

import Logging
import Testing

@testable import Systemd

@Suite struct JournalLogHandlerTests {
    @Test(arguments: [
        ("volume.name", "VOLUME_NAME"), ("error", "ERROR"), ("9lives", "M9LIVES"), ("_hidden", "M_HIDDEN"), ("", "M"),
        ("naïve", "NA_VE"), (String(repeating: "a", count: 80), String(repeating: "A", count: 64)),
    ])
    func namesFieldsAsTheJournalWantsThem(key: String, field: String) {
        #expect(JournalLogHandler.field(for: key) == field)
    }

    @Test func mapsLevelsToSyslogPriorities() {
        #expect(Logger.Level.allCases.map { JournalLogHandler.priority(of: $0) } == [7, 7, 6, 5, 4, 3, 2])
    }
}
