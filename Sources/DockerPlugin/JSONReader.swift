// SPDX-License-Identifier: Apache-2.0

/// Why a request body is not the JSON that was expected.
public struct JSONError: Error, Equatable, CustomStringConvertible {
    /// What was wrong and where, in one line.
    public let description: String
}

/// Reads JSON from bytes, one token after the other.
///
/// The few message shapes of the plugin protocol need no document tree. The reader follows RFC 8259 and, where
/// that leaves room, Go's `encoding/json`, which wrote the bytes: a lone surrogate or a byte that is not UTF-8
/// reads as U+FFFD.
struct JSONReader {
    /// Values that nest deeper are refused; the protocol itself needs two levels.
    static let maximumDepth = 64

    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The first byte of the next token, white space passed over, or nil at the end.
    private mutating func peek() -> UInt8? {
        while index < bytes.count {
            switch bytes[index] {
            case 0x20, 0x09, 0x0A, 0x0D: index += 1
            case let byte: return byte
            }
        }
        return nil
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        index += 1
        return true
    }

    private func failure(_ expected: String) -> JSONError {
        index < bytes.count
            ? JSONError(description: "malformed JSON at byte \(index): expected \(expected)")
            : JSONError(description: "malformed JSON: ends after \(index) bytes where \(expected) is expected")
    }

    /// Passes over `null` if that is the next value.
    mutating func takeNull() throws(JSONError) -> Bool {
        guard peek() == UInt8(ascii: "n") else { return false }
        try takeWord("null")
        return true
    }

    /// Checks that nothing but white space is left.
    mutating func finish() throws(JSONError) {
        guard peek() == nil else { throw failure("nothing after the first value") }
    }

    /// Reads an object, calling `member` with each key; it must read or skip the value.
    mutating func readObject(
        _ member: (inout JSONReader, String) throws(JSONError) -> Void
    ) throws(JSONError) {
        guard take(UInt8(ascii: "{")) else { throw failure("an object") }
        if take(UInt8(ascii: "}")) { return }
        repeat {
            guard peek() == UInt8(ascii: "\"") else { throw failure("a key") }
            let key = try readString()
            guard take(UInt8(ascii: ":")) else { throw failure("':'") }
            try member(&self, key)
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw failure("',' or '}'") }
    }

    /// Passes over one value of any kind.
    mutating func skipValue() throws(JSONError) {
        var open: [UInt8] = []
        repeat {
            switch peek() {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                guard open.count < Self.maximumDepth else {
                    throw JSONError(description: "JSON nests deeper than \(Self.maximumDepth) levels")
                }
                open.append(bytes[index])
                index += 1
                if peek() != closing(of: open) {
                    try skipKey(in: open)
                    continue
                }
            case UInt8(ascii: "\""): _ = try readString()
            case UInt8(ascii: "t"): try takeWord("true")
            case UInt8(ascii: "f"): try takeWord("false")
            case UInt8(ascii: "n"): try takeWord("null")
            default: try skipNumber()
            }
            // A value has ended: so may the arrays and objects around it.
            while !open.isEmpty {
                if take(UInt8(ascii: ",")) {
                    try skipKey(in: open)
                    break
                }
                guard let end = closing(of: open), take(end) else { throw failure("',' or a closing bracket") }
                open.removeLast()
            }
        } while !open.isEmpty
    }

    /// Reads one value of any kind.
    mutating func readValue(depth: Int = 0) throws(JSONError) -> JSONValue {
        guard depth < Self.maximumDepth else {
            throw JSONError(description: "JSON nests deeper than \(Self.maximumDepth) levels")
        }
        switch peek() {
        case UInt8(ascii: "{"):
            var members: [String: JSONValue] = [:]
            try readObject { (reader, key) throws(JSONError) in
                members[key] = try reader.readValue(depth: depth + 1)
            }
            return .object(members)
        case UInt8(ascii: "["): return .array(try readArray(depth: depth))
        case UInt8(ascii: "\""): return .string(try readString())
        case UInt8(ascii: "t"):
            try takeWord("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try takeWord("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try takeWord("null")
            return .null
        default: return try readNumber()
        }
    }

    private mutating func readArray(depth: Int) throws(JSONError) -> [JSONValue] {
        guard take(UInt8(ascii: "[")) else { throw failure("an array") }
        var elements: [JSONValue] = []
        if take(UInt8(ascii: "]")) { return elements }
        repeat { elements.append(try readValue(depth: depth + 1)) } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw failure("',' or ']'") }
        return elements
    }

    private mutating func readNumber() throws(JSONError) -> JSONValue {
        _ = peek()
        let start = index
        try skipNumber()
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        if let number = Int64(text) { return .integer(number) }
        // As Go refuses it: nothing could write what it reads as.
        guard let number = Double(text), number.isFinite else { throw failure("a number below 1e309") }
        return .number(number)
    }

    private func closing(of open: [UInt8]) -> UInt8? {
        // '{' and '}', '[' and ']' are two apart in ASCII.
        open.last.map { $0 + 2 }
    }

    private mutating func skipKey(in open: [UInt8]) throws(JSONError) {
        guard open.last == UInt8(ascii: "{") else { return }
        guard peek() == UInt8(ascii: "\"") else { throw failure("a key") }
        _ = try readString()
        guard take(UInt8(ascii: ":")) else { throw failure("':'") }
    }

    private mutating func takeWord(_ word: StaticString) throws(JSONError) {
        let end = index + word.utf8CodeUnitCount
        let matches = word.withUTF8Buffer { end <= bytes.count && bytes[index..<end].elementsEqual($0) }
        guard matches else { throw failure("a value") }
        index = end
    }

    private mutating func skipDigits() throws(JSONError) {
        let start = index
        while index < bytes.count, (0x30...0x39).contains(bytes[index]) { index += 1 }
        guard index > start else { throw failure("a digit") }
    }

    private mutating func skipNumber() throws(JSONError) {
        switch peek() {
        case UInt8(ascii: "-"), .some(0x30...0x39): break
        default: throw failure("a value")
        }
        if bytes[index] == UInt8(ascii: "-") { index += 1 }
        if index < bytes.count, bytes[index] == 0x30 { index += 1 } else { try skipDigits() }
        if index < bytes.count, bytes[index] == UInt8(ascii: ".") {
            index += 1
            try skipDigits()
        }
        if index < bytes.count, bytes[index] | 0x20 == UInt8(ascii: "e") {
            index += 1
            if index < bytes.count, bytes[index] == UInt8(ascii: "+") || bytes[index] == UInt8(ascii: "-") {
                index += 1
            }
            try skipDigits()
        }
    }
}

extension JSONReader {
    /// Reads a string.
    mutating func readString() throws(JSONError) -> String {
        guard take(UInt8(ascii: "\"")) else { throw failure("a string") }
        let start = index
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\""):
                defer { index += 1 }
                return String(decoding: bytes[start..<index], as: UTF8.self)
            case UInt8(ascii: "\\"):
                return try readEscapedString(from: start)
            case 0..<0x20:
                throw failure("no control character inside a string")
            default:
                index += 1
            }
        }
        throw failure("the end of the string")
    }

    /// The slow path of ``readString()``: `index` is at the first backslash.
    private mutating func readEscapedString(from start: Int) throws(JSONError) -> String {
        var text = Array(bytes[start..<index])
        while index < bytes.count {
            let byte = bytes[index]
            switch byte {
            case UInt8(ascii: "\""):
                index += 1
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                index += 1
                text.append(contentsOf: String(try readEscape()).utf8)
            case 0..<0x20:
                throw failure("no control character inside a string")
            default:
                text.append(byte)
                index += 1
            }
        }
        throw failure("the end of the string")
    }

    private mutating func readEscape() throws(JSONError) -> Character {
        guard index < bytes.count else { throw failure("an escape") }
        defer { index += 1 }
        switch bytes[index] {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            index += 1
            let scalar = try readUnicodeEscape()
            index -= 1
            return Character(scalar)
        default: throw failure("an escape")
        }
    }

    private mutating func readUnicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let replacement: Unicode.Scalar = "\u{FFFD}"
        let first = try readFourHexDigits()
        guard (0xD800..<0xDC00).contains(first) else { return Unicode.Scalar(first) ?? replacement }
        // A high surrogate counts only with a low one right behind it.
        let mark = index
        if index + 1 < bytes.count, bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "u") {
            index += 2
            let second = try readFourHexDigits()
            if (0xDC00..<0xE000).contains(second) {
                return Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)) ?? replacement
            }
        }
        index = mark
        return replacement
    }

    private mutating func readFourHexDigits() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard index < bytes.count, let digit = Character(Unicode.Scalar(bytes[index])).hexDigitValue else {
                throw failure("four hexadecimal digits")
            }
            value = value << 4 + UInt32(digit)
            index += 1
        }
        return value
    }
}
