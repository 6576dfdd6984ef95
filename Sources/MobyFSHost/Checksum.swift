// SPDX-License-Identifier: Apache-2.0

extension String {
    /// A number that tells texts apart which nobody has made alike on purpose: FNV-1a, 64 bits.
    package var checksum: UInt64 {
        utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
