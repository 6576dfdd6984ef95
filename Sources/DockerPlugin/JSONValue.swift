// SPDX-License-Identifier: Apache-2.0

/// A JSON value, as a plugin puts it into the `Status` of a volume.
public enum JSONValue: Hashable, Sendable {
    /// Text.
    case string(String)
    /// A whole number. Docker's clients show it as a floating point number from 2^53 on.
    case integer(Int64)
    /// Any other number.
    case number(Double)
    /// True or false.
    case bool(Bool)
    /// A list.
    case array([JSONValue])
    /// A mapping.
    case object([String: JSONValue])
    /// Nothing.
    case null
}

extension JSONValue {
    /// Reads one JSON value.
    ///
    /// As in Go, the last of equal keys counts.
    ///
    /// - Parameters:
    ///   - bytes: The text, as UTF-8.
    ///   - ignoresRest: Whether, as engines do, whatever follows the first value is left unread.
    /// - Throws: ``JSONError`` saying where the text is no JSON.
    public init(parsing bytes: [UInt8], ignoresRest: Bool = false) throws(JSONError) {
        var reader = JSONReader(bytes)
        self = try reader.readValue()
        if !ignoresRest { try reader.finish() }
    }

    /// Reads the members of one JSON object, in their order, those of equal keys too.
    ///
    /// - Parameter bytes: The text, as UTF-8.
    /// - Returns: The members.
    /// - Throws: ``JSONError`` saying where the text is no JSON, or no object.
    package static func members(parsing bytes: [UInt8]) throws(JSONError) -> [(key: String, value: JSONValue)] {
        var reader = JSONReader(bytes)
        var members: [(key: String, value: JSONValue)] = []
        members.reserveCapacity(12)
        try reader.readObject { (reader, key) throws(JSONError) in
            members.append((key, try reader.readValue(depth: 1)))
        }
        try reader.finish()
        return members
    }

    /// The value as JSON text without white space, its keys in order.
    public var encoded: [UInt8] {
        var writer = JSONWriter()
        writer.value(self)
        return writer.bytes
    }

    /// The member of an object, its key compared as Go does: exactly, or else whatever the case of its letters.
    ///
    /// Of several that differ in nothing but case it is always the same one: the first in order.
    public subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        if let member = members[key] { return member }
        let folded = key.lowercased()
        return members.filter { $0.key.lowercased() == folded }.min { $0.key < $1.key }?.value
    }

    /// The text, if this is a string.
    public var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The elements, if this is a list.
    public var array: [JSONValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByDictionaryLiteral
{
    /// Makes an object.
    public init(dictionaryLiteral members: (String, JSONValue)...) {
        self = .object(Dictionary(members) { $1 })
    }

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
