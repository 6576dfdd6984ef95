// SPDX-License-Identifier: Apache-2.0

extension Sequence<UInt8> {
    /// A number that tells contents apart which nobody has made alike on purpose: FNV-1a, 64 bits.
    ///
    /// Contents that differ in one byte never have the same.
    package var checksum: UInt64 { checksum(after: 0xcbf2_9ce4_8422_2325) }

    /// The same of contents that come after others.
    ///
    /// - Parameter before: The checksum of those before.
    /// - Returns: That of all.
    package func checksum(after before: UInt64) -> UInt64 {
        // Of what is in one piece it is a hundred times as fast.
        withContiguousStorageIfAvailable { Self.checksum(of: $0, after: before) }
            ?? Self.checksum(of: self, after: before)
    }

    @inline(__always)
    private static func checksum(of bytes: some Sequence<UInt8>, after before: UInt64) -> UInt64 {
        bytes.reduce(before) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}

extension String {
    /// The same of a text.
    package var checksum: UInt64 { utf8.checksum }
}
