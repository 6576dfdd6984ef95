// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

@Suite struct VolumeRecordTests {
    private static func record() throws -> (volume: Volume, bytes: [UInt8]) {
        var volume = Volume(
            name: try VolumeName("db"), driver: "directory",
            options: VolumeOptions(checked: ["mode": "0750", "uid": "1000", "on-remove": "trash"]),
            createdAt: Date(timeIntervalSince1970: 1_790_000_000), state: ["project": "12"])
        volume.plugin = "mobyfs-fast"
        return (volume, VolumeRecord.encode(volume))
    }

    /// Whatever it makes of a record, it is never another volume.
    @Test func noBitThatFlipsGoesUnnoticed() throws {
        let (volume, bytes) = try Self.record()
        #expect(try VolumeRecord.decode(bytes) == volume)
        for index in bytes.indices {
            for bit in 0..<8 {
                var flipped = bytes
                flipped[index] ^= 1 << bit
                // In the name of the checksum, it takes away nothing but the checksum.
                if let read = try? VolumeRecord.decode(flipped) { #expect(read == volume, "byte \(index), bit \(bit)") }
            }
        }
    }

    @Test func noRecordThatIsCutOffIsRead() throws {
        let (volume, bytes) = try Self.record()
        for count in bytes.indices {
            let cut = Array(bytes[..<count])
            let read = try? VolumeRecord.decode(cut)
            // The last byte ends the line.
            #expect(read == nil || count == bytes.count - 1 && read == volume, "\(count) bytes")
        }
    }

    /// As all records were before they had any, and as somebody writes them by hand.
    @Test func readsARecordWithoutAChecksum() throws {
        let text = #"{"version":1,"name":"db","driver":"directory","options":{},"createdAt":"2026-01-02T03:04:05Z"}"#
        #expect(try VolumeRecord.decode(Array(text.utf8)).driver == "directory")
    }

    /// It says more than is written again.
    @Test func readsATimeInWholeSeconds() throws {
        let text = #"{"version":1,"name":"db","driver":"directory","options":{},"createdAt":"2026-01-02T03:04:0.5Z"}"#
        let volume = try VolumeRecord.decode(Array(text.utf8))
        #expect(try VolumeRecord.decode(VolumeRecord.encode(volume)) == volume)
    }

    @Test func tellsALaterFormatFromADamagedOne() throws {
        let (_, bytes) = try Self.record()
        let text = String(decoding: bytes, as: UTF8.self).replacing("\"version\" : 1", with: "\"version\" : 3")
        let later = Array("{\"version\":3}".utf8)
        #expect(throws: VolumeRecord.Problem.newer(version: 3)) { try VolumeRecord.decode(later) }
        let problem = #expect(throws: VolumeRecord.Problem.self) { try VolumeRecord.decode(Array(text.utf8)) }
        #expect(problem?.description.contains("checksum") == true)
    }

    @Test(arguments: [
        ("", "it is empty"), ("\0\0\0", "all its 3 bytes are zero"), ("{\"version\":", "it is no JSON: "),
        ("{}", "'version' is missing"), ("[1]", "it is no JSON object"), ("{\"version\":\"1\"}", "not a whole number"),
        ("{\"version\":1}", "'name' is missing"), ("{\"version\":1,\"name\":\"a/b\"}", "'a/b'"),
    ])
    func saysWhatIsWrongWithARecord(text: String, reason: String) {
        let problem = #expect(throws: VolumeRecord.Problem.self) { try VolumeRecord.decode(Array(text.utf8)) }
        #expect(problem?.description.contains(reason) == true, "\(problem?.description ?? "")")
    }
}
