// SPDX-License-Identifier: Apache-2.0

import MobyFSHost

/// Tells a record that has changed on its disk from one that is as it was written.
///
/// It is that of all the record's bytes, with zeros in its own place.
enum RecordChecksum {
    static let blank = String(repeating: "0", count: 16)

    /// What is before it; no value has a line break in it.
    private static let prefix = Array("\n  \"checksum\" : \"".utf8)

    /// Puts the checksum in its place.
    static func fill(in bytes: [UInt8]) -> [UInt8] {
        guard let place = place(in: bytes) else { return bytes }
        var bytes = bytes
        bytes.replaceSubrange(place, with: text(of: bytes).utf8)
        return bytes
    }

    /// Whether a record's checksum is that of its bytes.
    static func isRight(_ checksum: String, in bytes: [UInt8]) -> Bool {
        guard let place = place(in: bytes), checksum.utf8.elementsEqual(bytes[place]) else { return false }
        var blanked = bytes
        blanked.replaceSubrange(place, with: blank.utf8)
        return text(of: blanked) == checksum
    }

    private static func text(of bytes: [UInt8]) -> String {
        let digits = String(bytes.checksum, radix: 16)
        return blank.dropFirst(digits.count) + digits
    }

    private static func place(in bytes: [UInt8]) -> Range<Int>? {
        // Not with firstRange(of:), which takes longer than reading the file, of each volume at each start.
        let start = bytes.withUnsafeBufferPointer { bytes in
            bytes.indices.dropLast(prefix.count - 1).first {
                bytes[$0] == prefix[0] && bytes[$0...].starts(with: prefix)
            }
        }.map { $0 + prefix.count }
        guard let start, start + blank.utf8.count <= bytes.count else { return nil }
        return start..<start + blank.utf8.count
    }
}
