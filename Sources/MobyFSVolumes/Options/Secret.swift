// SPDX-License-Identifier: Apache-2.0

/// A password or the like, which shows in no text that it is put into.
package struct Secret: Hashable, Sendable, Codable, CustomStringConvertible, CustomDebugStringConvertible {
    /// What stands for it wherever options are kept or shown.
    package static let placeholder = "***"

    package let value: String

    package init(_ value: String) {
        self.value = value
    }

    package var description: String { Self.placeholder }
    package var debugDescription: String { Self.placeholder }

    package init(from decoder: any Decoder) throws {
        value = try decoder.singleValueContainer().decode(String.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }
}
