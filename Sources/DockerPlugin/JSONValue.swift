// SPDX-License-Identifier: Apache-2.0

/// A JSON value, as a plugin puts it into the `Status` of a volume.
public enum JSONValue: Hashable, Sendable {
    /// Text.
    case string(String)
    /// A whole number. Docker's clients show it as a floating point number from 2^53 on.
    case integer(Int64)
    /// True or false.
    case bool(Bool)
    /// A list.
    case array([JSONValue])
    /// A mapping.
    case object([String: JSONValue])
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    /// Makes a string value.
    public init(stringLiteral value: String) {
        self = .string(value)
    }

    /// Makes a number.
    public init(integerLiteral value: Int64) {
        self = .integer(value)
    }

    /// Makes a truth value.
    public init(booleanLiteral value: Bool) {
        self = .bool(value)
    }
}
