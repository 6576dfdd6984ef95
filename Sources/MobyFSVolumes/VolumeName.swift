// SPDX-License-Identifier: Apache-2.0

import MobyFSHost

/// The name of a volume: 1 to 255 of `A-Z a-z 0-9 _ . -`, the first a letter or a digit.
///
/// That is the rule of the engine's own volumes. The engine does not hold plugins to it, so `../x` gets here.
package struct VolumeName: Hashable, Sendable, Comparable, CustomStringConvertible {
    package static let rule =
        "a name is 1 to 255 letters, digits, '_', '.' or '-' (ASCII), and begins with a letter or a digit"

    package let description: String

    /// - Throws: ``VolumeError`` with code `invalidArgument` if the text breaks the rule.
    package init(_ text: String) throws(VolumeError) {
        let bytes = text.utf8
        guard (1...255).contains(bytes.count), let first = bytes.first, Self.isAlphanumeric(first),
            bytes.allSatisfy({ Self.isAlphanumeric($0) || $0 == 0x5F || $0 == 0x2E || $0 == 0x2D })
        else {
            throw VolumeError(.invalidArgument, "'\(text.excerpt())' is no name for a volume: \(Self.rule)")
        }
        description = text
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }

    package static func < (one: Self, two: Self) -> Bool {
        one.description < two.description
    }

    /// A file name of at most 255 bytes made of the name and a suffix; long names are cut and told apart by a
    /// checksum behind a `~`, which no name has.
    package func fileName(suffix: String) -> String {
        let room = 255 - suffix.utf8.count
        guard description.utf8.count > room else { return description + suffix }
        return "\(description.prefix(room - 17))~\(String(description.checksum, radix: 16))\(suffix)"
    }
}
