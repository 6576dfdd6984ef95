// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import SystemPackage

/// What the value of an option may be.
package enum OptionValue: Hashable, Sendable {
    /// Any text without control characters.
    case text
    /// `true`, `yes`, `1` or nothing; `false`, `no`, `0`.
    case flag
    /// A user of this host, by number or name.
    case user
    /// A group of this host, by number or name.
    case group
    /// An octal file mode.
    case mode
    /// An absolute path without `..`.
    case path
    /// A size, from so many bytes on.
    case size(minimumBytes: UInt64)
    /// A number in a range.
    case number(ClosedRange<Int>)
    /// A time from a minute on.
    case duration
    /// One of these words, in small letters or capitals.
    case oneOf([String])
    /// A ``MountOptionList``.
    case mountOptions

    /// Why a value cannot be: goes after `option NAME='VALUE'`.
    struct Problem: Error {
        let reason: String
    }

    /// What it may be, in words: goes after "is not".
    package var syntax: String {
        switch self {
        case .text: "any text"
        case .flag: "true or false"
        case .user: "a user of this host, by number or name"
        case .group: "a group of this host, by number or name"
        case .mode: "an octal mode from 0 to 7777, such as 0750"
        case .path: "an absolute path without '..', such as /srv/data"
        case .size(let minimum):
            "a size of at least \(ByteSize(bytes: minimum)), such as 512M or 10GiB (1024 each) or 10GB (1000 each)"
        case .number(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
        case .duration: "a time of at least 1m, such as 12h, 30d or 4w"
        case .oneOf(let words):
            words.count < 2
                ? words.joined() : words.dropLast().joined(separator: ", ") + " or " + (words.last ?? "")
        case .mountOptions: "a list of mount options, such as 'ro,noatime'"
        }
    }

    /// Brings a value into the one spelling in which equal wishes are equal.
    ///
    /// Blocks where names of users are looked up.
    func normalized(_ text: String) throws(Problem) -> String {
        guard !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            throw Problem(reason: "has a line break or another control character in it: leave that out")
        }
        let normal: String? =
            switch self {
            case .text: text
            case .flag: Self.truth(text).map { "\($0)" }
            case .user: Accounts.userID(text).map { "\($0)" }
            case .group: Accounts.groupID(text).map { "\($0)" }
            case .mode: Self.mode(text)
            case .path: Self.isPath(text) ? text : nil
            case .size(let minimum): try Self.size(text, minimum: ByteSize(bytes: minimum))
            case .number(let range): Int(text).flatMap { range.contains($0) ? "\($0)" : nil }
            case .duration: Self.duration(text)
            case .oneOf(let words): words.first { $0.lowercased() == text.lowercased() }
            case .mountOptions: try Self.mountOptions(text)
            }
        guard let normal else { throw Problem(reason: "is not \(syntax)") }
        return normal
    }

    /// A lone `-o protected` has the empty value.
    private static func truth(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "yes", "1", "on", "": true
        case "false", "no", "0", "off": false
        default: nil
        }
    }

    private static func mode(_ text: String) -> String? {
        guard text.utf8.allSatisfy({ (0x30...0x37).contains($0) }), let mode = mode_t(text, radix: 8), mode <= 0o7777
        else { return nil }
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    private static let units: [(letter: Character, seconds: Int)] = [
        ("w", 604_800), ("d", 86400), ("h", 3600), ("m", 60),
    ]

    /// The seconds in `30d`; nil if that is no time.
    package static func seconds(in text: String) -> Int? {
        guard let letter = text.last, let unit = units.first(where: { $0.letter == letter }),
            let count = Int(text.dropLast()), count > 0
        else { return nil }
        // As long as an operating system lasts.
        let (seconds, isTooMuch) = count.multipliedReportingOverflow(by: unit.seconds)
        return isTooMuch || seconds > 100 * 366 * 86400 ? nil : seconds
    }

    /// The same time in the largest unit that it is a whole number of.
    private static func duration(_ text: String) -> String? {
        guard let seconds = seconds(in: text.lowercased()) else { return nil }
        return units.first { seconds % $0.seconds == 0 }.map { "\(seconds / $0.seconds)\($0.letter)" }
    }

    private static func isPath(_ text: String) -> Bool {
        let path = FilePath(text)
        return path.isAbsolute && !path.components.contains { $0.kind == .parentDirectory }
    }

    private static func size(_ text: String, minimum: ByteSize) throws(Problem) -> String? {
        guard let size = ByteSize(text) else { return nil }
        guard size >= minimum else { throw Problem(reason: "means \(size): the minimum is \(minimum)") }
        return size.normal
    }

    private static func mountOptions(_ text: String) throws(Problem) -> String {
        do {
            return try MountOptionList(parsing: text).text
        } catch {
            throw Problem(reason: "is not \(OptionValue.mountOptions.syntax): \(error.message)")
        }
    }
}
