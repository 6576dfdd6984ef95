// SPDX-License-Identifier: Apache-2.0

/// Which names a plugin's volumes may have.
///
/// The engine on Linux checks no name for a plugin: `../x`, `a/b`, the empty name and ones of a thousand characters
/// come as they were typed. ``VolumeSubsystem`` keeps a plugin from all that its rule does not allow.
public struct VolumeNameRule: Sendable, CustomStringConvertible {
    /// The rule in words, as a user is told it who broke it.
    public let description: String
    private let isAllowed: @Sendable (String) -> Bool

    /// Makes a rule.
    ///
    /// - Parameters:
    ///   - description: The rule in words: `a name is 1 to 8 digits`.
    ///   - isAllowed: Whether a name keeps the rule. Called for each call that names a volume, so it must be quick.
    public init(_ description: String, isAllowed: @escaping @Sendable (String) -> Bool) {
        self.description = description
        self.isAllowed = isAllowed
    }

    /// The rule of the engine's own volumes: 1 to 255 of `A-Z a-z 0-9 _ . -`, the first a letter or a digit.
    ///
    /// Such a name is also the name of a file, in any directory.
    public static let portable = VolumeNameRule(
        "a name is 1 to 255 letters, digits, '_', '.' or '-' (ASCII), and begins with a letter or a digit"
    ) { name in
        let bytes = name.utf8
        guard (1...255).contains(bytes.count), let first = bytes.first, isAlphanumeric(first) else { return false }
        return bytes.allSatisfy { isAlphanumeric($0) || $0 == 0x5F || $0 == 0x2E || $0 == 0x2D }
    }

    /// Every name, the empty one included, for a plugin that checks names itself.
    public static let any = VolumeNameRule("a name is any text") { _ in true }

    /// Whether a volume may have the name.
    public func allows(_ name: String) -> Bool {
        isAllowed(name)
    }

    /// What is said about a name that is not allowed.
    func refusal(of name: String) -> String {
        "'\(Self.printable(name))' is no name for a volume: \(self)"
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }

    /// The text cut to a line's length, with what would upset a terminal made visible.
    static func printable(_ text: String) -> String {
        let shown = text.unicodeScalars.prefix(64).map { scalar in
            scalar.properties.generalCategory == .control ? scalar.escaped(asASCII: true) : String(scalar)
        }.joined()
        return text.unicodeScalars.count > 64 ? "\(shown)… (\(text.unicodeScalars.count) characters)" : shown
    }
}
