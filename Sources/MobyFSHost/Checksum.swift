// SPDX-License-Identifier: Apache-2.0

extension Sequence<UInt8> {
    /// A number that tells contents apart which nobody has made alike on purpose: FNV-1a, 64 bits.
    ///
    /// Contents that differ in one byte never have the same.
    package var checksum: UInt64 {
        // Of what is in one piece it is a hundred times as fast.
        withContiguousStorageIfAvailable { Self.checksum(of: $0) } ?? Self.checksum(of: self)
    }

    @inline(__always)
    private static func checksum(of bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}

extension String {
    /// The same of a text.
    package var checksum: UInt64 { utf8.checksum }
}
