// SPDX-License-Identifier: Apache-2.0

import MobyFSVolumes
import Testing

@Suite struct ByteSizeTests {
    @Test(
        arguments: [
            ("0", 0), ("10", 10), ("10b", 10), ("1k", 1024), ("1K", 1024), ("1KiB", 1024), ("1kb", 1000),
            ("1 MiB", 1 << 20),
            ("1.5G", 3 << 29), ("0.5k", 512), ("2T", 2 << 40), ("1P", 1 << 50), ("1PiB", 1 << 50),
            ("3GB", 3_000_000_000),
            ("007m", 7 << 20), ("0.000001P", 1_125_899_906), ("1.5TB", 1_500_000_000_000), ("8191P", 8191 << 50),
        ] as [(String, UInt64)])
    func readsWhatPeopleWrite(text: String, bytes: UInt64) {
        #expect(ByteSize(text)?.bytes == bytes)
    }

    @Test(arguments: [
        "", "G", "-1", "+1", "1X", "1GG", "1GiBB", "1.G", ".5G", "1..5G", "1.5", "1,5G", "0x10", "1e9", "١٠", "8192P",
        "99999999999999999999", "1E", "1 G B", "1.1234567G", "50%", "1ki b", "G1",
    ])
    func readsNothingElse(text: String) {
        #expect(ByteSize(text) == nil)
    }

    @Test(arguments: [
        ("1024M", "1GiB", "1 GiB (1073741824 bytes)"), ("1500", "1500", "1.5 KiB (1500 bytes)"),
        ("10", "10", "10 bytes"),
        ("1536M", "1536MiB", "1.5 GiB (1610612736 bytes)"), ("0", "0", "0 bytes"),
        ("3000001", "3000001", "2.9 MiB (3000001 bytes)"),
    ])
    func hasOneSpellingAndAMeaning(text: String, normal: String, meaning: String) throws {
        let size = try #require(ByteSize(text))
        #expect(size.normal == normal)
        #expect("\(size)" == meaning)
        #expect(ByteSize(size.normal) == size)
    }
}
