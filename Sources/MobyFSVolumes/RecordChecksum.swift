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
        let digits = String(bytes.checksum, radix: 16)
        bytes.replaceSubrange(place, with: (blank.dropFirst(digits.count) + digits).utf8)
        return bytes
    }

    /// Whether a record's checksum is that of its bytes.
    static func isRight(_ checksum: String, in bytes: [UInt8]) -> Bool {
        guard let place = place(in: bytes), checksum.utf8.elementsEqual(bytes[place]) else { return false }
        var blanked = bytes
        blanked.replaceSubrange(place, with: blank.utf8)
        return fill(in: blanked) == bytes
    }

    private static func place(in bytes: [UInt8]) -> Range<Int>? {
        guard let start = bytes.firstRange(of: prefix)?.upperBound, start + blank.utf8.count <= bytes.count else {
            return nil
        }
        return start..<start + blank.utf8.count
    }
}
