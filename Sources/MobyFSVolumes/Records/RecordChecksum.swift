// SPDX-License-Identifier: Apache-2.0

import MobyFSHost

/// Tells a record that has changed on its disk from one that is as it was written.
///
/// It is that of all the record's bytes, with zeros in its own place.
enum RecordChecksum {
    static let blank = String(repeating: "0", count: 16)

    private static let zeros = Array(blank.utf8)
    private static let hexadecimal = Array("0123456789abcdef".utf8)

    /// What is before it; no value has a line break in it.
    private static let prefix = Array("\n  \"checksum\" : \"".utf8)

    /// Puts the checksum in its place.
    static func fill(in bytes: [UInt8]) -> [UInt8] {
        guard let place = place(in: bytes) else { return bytes }
        var bytes = bytes
        bytes.replaceSubrange(place, with: digits(of: bytes, in: place))
        return bytes
    }

    /// Whether a record's checksum is that of its bytes.
    static func isRight(_ checksum: String, in bytes: [UInt8]) -> Bool {
        guard let place = place(in: bytes) else { return false }
        let digits = digits(of: bytes, in: place)
        return Array(checksum.utf8) == digits && bytes[place] == digits[...]
    }

    /// The checksum of all bytes, with zeros in its own place.
    private static func digits(of bytes: [UInt8], in place: Range<Int>) -> [UInt8] {
        let before = zeros.checksum(after: bytes[..<place.lowerBound].checksum)
        let checksum = bytes[place.upperBound...].checksum(after: before)
        return zeros.indices.map { hexadecimal[Int(truncatingIfNeeded: checksum >> (60 - 4 * $0)) & 0xF] }
    }

    private static func place(in bytes: [UInt8]) -> Range<Int>? {
        // Not with firstRange(of:), which takes longer than reading the file, of each volume at each start.
        let start = bytes.withUnsafeBufferPointer { bytes in
            bytes.indices.dropLast(prefix.count - 1).first {
                bytes[$0] == prefix[0] && bytes[$0...].starts(with: prefix)
            }
        }.map { $0 + prefix.count }
        guard let start, start + zeros.count <= bytes.count else { return nil }
        return start..<start + zeros.count
    }
}
