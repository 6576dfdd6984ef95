// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MobyFSHost
import MobyFSTesting
import SystemPackage
import TortureSupport

/// Something that happens to one volume while no daemon runs, and what has to become of it.
struct Damage: Sendable {
    enum Outcome {
        /// It goes on as if nothing had happened, or is told of and repaired; never with other options.
        case unchanged
        /// It is told of, and repaired with all its options.
        case restored
        /// It is told of, and its data taken up without the options that are lost.
        case rebuilt
        /// It is told of, and what is left of it moved into the trash.
        case trashed
        /// It is told of, and left to somebody who knows what to do.
        case told
        /// It is no volume any more.
        case gone
    }

    let label: String
    let outcome: Outcome
    /// Is given the volume's directory.
    let inflict: @Sendable (FilePath) throws -> Void

    init(_ label: String, _ outcome: Outcome, _ inflict: @escaping @Sendable (FilePath) throws -> Void) {
        self.label = label
        self.outcome = outcome
        self.inflict = inflict
    }

    private static let record = "record.json"
    private static let copy = "record.json.copy"

    private static func replaced(_ label: String, _ outcome: Outcome, with content: [UInt8]) -> Damage {
        Damage(label, outcome) { directory in
            try DurableFile.write(content, to: directory.appending(record), isDurable: false)
        }
    }

    /// Everything that is tried.
    ///
    /// - Parameters:
    ///   - record: What the volumes' record holds.
    ///   - isFull: Whether each bit and each byte has its turn.
    ///   - generator: Where a sample is enough.
    /// - Returns: Each for a volume of its own.
    static func all(to record: [UInt8], isFull: Bool, using generator: inout SeededGenerator) -> [Damage] {
        var all = stateDamage + recordDamage
        for count in record.indices where isFull || count % 32 == 0 {
            all.append(replaced("cut to \(count) bytes", .unchanged, with: Array(record[..<count])))
        }
        let bits = 0..<record.count * 8
        for bit in isFull ? Array(bits) : (0..<60).map({ _ in bits.randomElement(using: &generator) ?? 0 }) {
            var flipped = record
            flipped[bit / 8] ^= 1 << (bit % 8)
            all.append(replaced("bit \(bit)", .unchanged, with: flipped))
        }
        return all
    }

    // MARK: - The record

    private static func text(
        _ version: String = "1", driver: String = "directory", options: String = "{}", more: String = ""
    ) -> [UInt8] {
        Array(
            #"{"version":\#(version),"name":"x","driver":"\#(driver)","options":\#(options),\#(more)"createdAt":"2026-01-02T03:04:05Z"}"#
                .utf8)
    }

    private static let recordDamage: [Damage] = [
        replaced("empty", .restored, with: []),
        replaced("zeros", .restored, with: [UInt8](repeating: 0, count: 512)),
        replaced("a page of ones", .restored, with: [UInt8](repeating: 0xFF, count: 4096)),
        replaced("a format of the future", .told, with: text("99")),
        replaced("format 0", .restored, with: text("0")),
        replaced("a negative format", .restored, with: text("-1")),
        replaced("a format beyond all numbers", .restored, with: text("1e300")),
        replaced("an unknown driver", .restored, with: text(driver: "../../bin/sh")),
        replaced("an unknown option", .restored, with: text(options: #"{"colour":"red"}"#)),
        replaced("an option that makes no sense", .restored, with: text(options: #"{"mode":"0999"}"#)),
        replaced("NUL in an option", .restored, with: text(options: #"{"uid":"1\u0000"}"#)),
        replaced("an option of another kind", .restored, with: text(options: #"{"uid":1}"#)),
        replaced("a mountpoint in /etc", .restored, with: text(options: #"{"mountpoint":"/etc"}"#)),
        replaced(
            "10,000 options", .restored,
            with: text(options: "{" + (0..<10_000).map { #""o\#($0)":"1""# }.joined(separator: ",") + "}")),
        replaced(
            "1,000,000 options", .restored,
            with: text(options: "{" + (0..<1_000_000).map { #""o\#($0)":"1""# }.joined(separator: ",") + "}")),
        replaced(
            "100,000 levels", .restored, with: Array(repeating: UInt8(ascii: "["), count: 100_000)),
        replaced("a name that leads out", .restored, with: Array(#"{"version":1,"name":"../../x\n"}"#.utf8)),
        Damage("the record is gone", .restored) { try Files.unlink($0.appending(record)) },
        Damage("the record is a folder", .restored) { directory in
            try Files.unlink(directory.appending(record))
            try Directories.create(directory.appending(record), mode: 0o755)
        },
        Damage("the record is a link", .restored) { directory in
            try Files.unlink(directory.appending(record))
            try check(symlink("/etc/passwd", directory.appending(record).string), "symlink")
        },
        Damage("the record is a link to its copy", .restored) { directory in
            try Files.unlink(directory.appending(record))
            try check(symlink(copy, directory.appending(record).string), "symlink")
        },
        Damage("the record is a pipe", .restored) { directory in
            try Files.unlink(directory.appending(record))
            try check(mkfifo(directory.appending(record).string, 0o600), "mkfifo")
        },
        Damage("a record of 1 GiB", .restored) { directory in
            try check(truncate(directory.appending(record).string, 1 << 30), "truncate")
        },
        Damage("the copy is gone", .unchanged) { try Files.unlink($0.appending(copy)) },
        Damage("the copy is cut off", .unchanged) { try check(truncate($0.appending(copy).string, 100), "truncate") },
        Damage("both are cut off", .rebuilt) { directory in
            for file in [record, copy] { try check(truncate(directory.appending(file).string, 100), "truncate") }
        },
        Damage("both are gone", .rebuilt) { directory in
            for file in [record, copy] { try Files.unlink(directory.appending(file)) }
        },
    ]

    // MARK: - What is beside it

    private static func removeData(_ directory: FilePath) throws {
        try TreeRemover.remove(directory.appending("data"))
    }

    private static let stateDamage: [Damage] = [
        Damage("the data is gone", .trashed, removeData),
        Damage("the data is a file", .trashed) { directory in
            try removeData(directory)
            try directory.appending("data").write("x")
        },
        Damage("the data is a link", .trashed) { directory in
            try removeData(directory)
            try check(symlink("/etc", directory.appending("data").string), "symlink")
        },
        Damage("data and records are gone", .told) { directory in
            try removeData(directory)
            for file in [record, copy] { try Files.unlink(directory.appending(file)) }
        },
        Damage("the folder is a link", .told) { directory in
            try TreeRemover.remove(directory)
            try check(symlink("good0", directory.string), "symlink")
        },
        Damage("the folder is a file", .gone) { directory in
            try TreeRemover.remove(directory)
            try directory.write("x")
        },
        Damage("half of a file beside the record", .unchanged) { directory in
            let path = directory.appending(".new-1x2y3z")
            try path.write("{")
            let old = timeval(tv_sec: 1_780_000_000, tv_usec: 0)
            try check(utimes(path.string, [old, old]), "utimes")
        },
        Damage("an older mobyfs' record", .unchanged) { directory in
            try Files.unlink(directory.appending(copy))
            try directory.appending(record).edit { $0 }
        },
    ]
}
