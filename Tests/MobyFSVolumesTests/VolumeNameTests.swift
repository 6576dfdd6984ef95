// SPDX-License-Identifier: Apache-2.0

import MobyFSVolumes
import Testing

@Suite struct VolumeNameTests {
    @Test(arguments: [
        "a", "0", "project_data.v-1", String(repeating: "f", count: 64), String(repeating: "x", count: 255),
    ])
    func takesWhatTheEnginesOwnVolumesMayBeCalled(name: String) throws {
        #expect(try VolumeName(name).description == name)
    }

    @Test(arguments: [
        "", ".", "..", "../x", "a/b", "-v", "_v", ".v", "a b", "a\nb", "a\u{0}b", "é", "a\u{301}", "٣",
        String(repeating: "x", count: 256),
        String(repeating: "x", count: 300),
    ])
    func refusesTheRestWithTheRule(name: String) {
        let error = #expect(throws: VolumeError.self) { try VolumeName(name) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains(VolumeName.rule) == true)
        // What is shown fits a line and a terminal.
        #expect(error?.message.unicodeScalars.allSatisfy { $0.value >= 0x20 } == true)
        #expect((error?.message.count ?? .max) < 250)
    }

    @Test func keepsFileNamesWithinTheLimit() throws {
        let long = String(repeating: "x", count: 254)
        let names = try [long + "a", long + "b", "short"].map { try VolumeName($0).fileName(suffix: ".json") }
        #expect(names.allSatisfy { $0.utf8.count <= 255 })
        #expect(Set(names).count == 3)
        #expect(names[2] == "short.json")
    }
}
