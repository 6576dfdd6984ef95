// SPDX-License-Identifier: Apache-2.0

package import Glibc
import MobyFSHost

/// An option that a volume can be created with.
package struct OptionInfo: Hashable, Sendable {
    package let name: String
    /// What it means and which values it takes, in one line.
    package let help: String

    package init(_ name: String, _ help: String) {
        self.name = name
        self.help = help
    }
}

/// What becomes of a volume's data when the volume is removed.
package enum RemovalPolicy: String, Sendable, CaseIterable {
    /// Deleted, in the background.
    case delete
    /// Moved to the trash, to stay there until somebody empties it.
    case trash
    /// Left where it is, for a later volume of the same name.
    case keep
}

/// The options of a volume, checked and in one spelling, so that equal wishes are equal.
package struct VolumeOptions: Hashable, Sendable {
    /// The options that every driver has.
    package static let common = [
        OptionInfo("driver", "the storage behind the volume"),
        OptionInfo("uid", "owner of the volume's root directory: a number or a name"),
        OptionInfo("gid", "group of the volume's root directory: a number or a name"),
        OptionInfo("mode", "mode of the volume's root directory: octal, such as 0750"),
        OptionInfo("on-remove", "what becomes of the data: delete, trash or keep"),
        OptionInfo("protected", "whether Remove is refused: true or false"),
    ]

    /// The options as they are kept and shown.
    package private(set) var values: [String: String]

    /// Options that were checked before, from a record.
    package init(checked values: [String: String]) {
        self.values = values
    }

    /// Checks options that a user gave against a driver's.
    ///
    /// - Throws: ``VolumeError`` with code `invalidArgument`, naming the option, the value and what it takes.
    package init(_ given: [String: String], for driver: DriverInfo) throws(VolumeError) {
        let known = (Self.common + driver.options).map(\.name)
        for name in given.keys.sorted() where !known.contains(name) {
            throw VolumeError(.invalidArgument, Suggestion.complaint("option", name, known: known))
        }
        values = given
        values["driver"] = nil  // recorded on its own
        try normalize("uid", "a user of this host, by number or name") { Accounts.userID($0).map { "\($0)" } }
        try normalize("gid", "a group of this host, by number or name") { Accounts.groupID($0).map { "\($0)" } }
        try normalize("mode", "an octal mode from 0 to 7777, such as 0750") { text in
            guard text.utf8.allSatisfy({ (0x30...0x37).contains($0) }) else { return nil }
            return mode_t(text, radix: 8).flatMap { $0 <= 0o7777 ? Self.octal($0) : nil }
        }
        try normalize("on-remove", "delete, trash or keep") { RemovalPolicy(rawValue: $0.lowercased())?.rawValue }
        try normalize("protected", "true or false") { Self.truth($0).map { "\($0)" } }
    }

    private mutating func normalize(
        _ name: String, _ wanted: String, _ spelling: (String) -> String?
    ) throws(VolumeError) {
        guard let value = values[name] else { return }
        guard let normal = spelling(value) else {
            throw VolumeError(.invalidArgument, "option \(name)='\(value)' is not \(wanted)")
        }
        values[name] = normal
    }

    private static func octal(_ mode: mode_t) -> String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// A lone `-o protected` has the empty value.
    private static func truth(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "yes", "1", "": true
        case "false", "no", "0": false
        default: nil
        }
    }

    package subscript(name: String) -> String? { values[name] }
    package var owner: uid_t? { values["uid"].flatMap { uid_t($0) } }
    package var group: gid_t? { values["gid"].flatMap { gid_t($0) } }
    package var mode: mode_t? { values["mode"].flatMap { mode_t($0, radix: 8) } }
    package var isProtected: Bool { values["protected"] == "true" }
    /// What was asked for; nil leaves it to the driver.
    package var removalPolicy: RemovalPolicy? { values["on-remove"].flatMap { RemovalPolicy(rawValue: $0) } }

    /// Says how these options differ from others, or nil if they do not.
    ///
    /// For people: `mode is '0700', asked for '0755'`.
    package func difference(from asked: VolumeOptions) -> String? {
        let names = Set(values.keys).union(asked.values.keys).sorted().filter { values[$0] != asked.values[$0] }
        guard !names.isEmpty else { return nil }
        return names.map { name in
            let present = values[name].map { "'\($0)'" } ?? "not set"
            let wanted = asked.values[name].map { "asked for '\($0)'" } ?? "not asked for"
            return "\(name) is \(present), \(wanted)"
        }.joined(separator: "; ")
    }
}
