// SPDX-License-Identifier: Apache-2.0

/// Writes compact JSON.
package struct JSONWriter {
    package private(set) var bytes: [UInt8] = []

    /// - Parameter capacity: How many bytes are to be written, about.
    package init(capacity: Int = 0) {
        bytes.reserveCapacity(capacity)
    }

    package mutating func raw(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    package mutating func raw(_ number: some BinaryInteger) {
        bytes.append(contentsOf: String(number).utf8)
    }

    /// Writes what is JSON already.
    mutating func raw(_ json: ArraySlice<UInt8>) {
        bytes.append(contentsOf: json)
    }

    /// Writes a string with its quotes and escapes.
    package mutating func string(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        defer { bytes.append(UInt8(ascii: "\"")) }
        // Most have nothing to escape, and are copied whole.
        let isCopied = text.utf8.withContiguousStorageIfAvailable { text in
            guard !text.contains(where: Self.isEscaped) else { return false }
            bytes.append(contentsOf: text)
            return true
        }
        guard isCopied != true else { return }
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): raw("\\\"")
            case UInt8(ascii: "\\"): raw("\\\\")
            case 0x0A: raw("\\n")
            case 0x0D: raw("\\r")
            case 0x09: raw("\\t")
            case 0..<0x20:
                raw("\\u00")
                bytes.append(Self.hexDigits[Int(byte >> 4)])
                bytes.append(Self.hexDigits[Int(byte & 15)])
            default: bytes.append(byte)
            }
        }
    }

    private static func isEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private static let hexDigits = Array("0123456789abcdef".utf8)

    /// Writes elements between `open` and `close`, with commas.
    package mutating func list<Element>(
        _ open: StaticString, _ elements: some Sequence<Element>, _ close: StaticString,
        _ write: (inout JSONWriter, Element) -> Void
    ) {
        raw(open)
        var first = true
        for element in elements {
            if !first { raw(",") }
            first = false
            write(&self, element)
        }
        raw(close)
    }

    package mutating func value(_ value: JSONValue) {
        switch value {
        case .string(let text): string(text)
        case .integer(let number): raw(number)
        // JSON knows neither infinity nor NaN.
        case .number(let number): bytes.append(contentsOf: (number.isFinite ? "\(number)" : "null").utf8)
        case .null: raw("null")
        case .bool(let flag): raw(flag ? "true" : "false")
        case .array(let elements): list("[", elements, "]") { $0.value($1) }
        case .object(let members): object(members)
        }
    }

    /// Writes an object with its keys in order, so that equal objects give equal bytes.
    mutating func object(_ members: [String: JSONValue]) {
        // By their bytes: as text, some keys are in order and their beginnings are not.
        let sorted = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        list("{", sorted, "}") { writer, member in
            writer.string(member.key)
            writer.raw(":")
            writer.value(member.value)
        }
    }
}
