// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Testing

@testable import DockerPlugin

@Suite struct JSONWriterTests {
    @Test(arguments: ["", "plain", "\"\\/\u{8}\n\r\t\u{1F}\u{7F}", "é😀\u{2028}", "<&>"])
    func writesStringsThatReadTheSame(text: String) throws {
        var writer = JSONWriter()
        writer.string(text)
        #expect(try JSONDecoder().decode(String.self, from: Data(writer.bytes)) == text)
        var reader = JSONReader(writer.bytes)
        #expect(try reader.readString() == text)
    }

    @Test func writesAVolumeAsTheEngineReadsIt() {
        var writer = JSONWriter()
        writer.volume(
            VolumeInfo(
                name: "v", mountpoint: "/m", createdAt: Date(timeIntervalSince1970: 0),
                status: ["b": 1, "a": .object(["x": true])]))
        let expected =
            #"{"Name":"v","Mountpoint":"/m","CreatedAt":"1970-01-01T00:00:00Z","Status":{"a":{"x":true},"b":1}}"#
        #expect(String(decoding: writer.bytes, as: UTF8.self) == expected)
    }

    /// An empty `CreatedAt` would fail the whole reply in the engine.
    @Test func leavesOutWhatIsNotKnown() {
        var writer = JSONWriter()
        writer.volume(VolumeInfo(name: "v"))
        #expect(String(decoding: writer.bytes, as: UTF8.self) == #"{"Name":"v"}"#)
    }
}
