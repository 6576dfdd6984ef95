// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import FoundationEssentials

enum JSONFuzzing {
    /// What is read can be written, and what is written reads the same, also to Foundation.
    static func check(_ bytes: [UInt8]) throws {
        let request = try? VolumeRequest(decoding: bytes)
        guard let value = try? JSONValue(parsing: bytes) else {
            try FuzzFinding.require(
                request == nil || nestsTooDeep(bytes) || hasHugeNumber(bytes), "a request that is no JSON is accepted")
            return
        }
        let encoded = value.encoded
        let again = try JSONValue(parsing: encoded)
        try FuzzFinding.require(again == value, "\(value) is written as what reads as \(again)")
        try FuzzFinding.require(again.encoded == encoded, "\(value) is written in two ways")
        let other = try JSONDecoder().decode(ForeignValue.self, from: Data(encoded)).value
        try FuzzFinding.require(value.matches(other), "Foundation reads \(value) as \(other)")
        if let request { try compare(request, value) }
        if let value = try? JSONDecoder().decode(ForeignValue.self, from: Data(bytes)).value {
            _ = try JSONValue(parsing: value.encoded)
        }
    }

    /// Both readers take the same from a request.
    private static func compare(_ request: VolumeRequest, _ value: JSONValue) throws {
        guard case .object(let members) = value else {
            return try FuzzFinding.require(value == .null, "\(value) is accepted for a request")
        }
        // Which of several counts depends on their order, which a value has not.
        func only(_ key: String) -> JSONValue? {
            let found = members.filter { $0.key.lowercased() == key }
            return found.count == 1 ? found.first?.value : nil
        }
        if let name = only("name")?.string {
            try FuzzFinding.require(request.name == name, "the name '\(name)' is taken for '\(request.name ?? "")'")
        }
        if let id = only("id")?.string {
            try FuzzFinding.require(request.id == id, "the ID '\(id)' is taken for '\(request.id ?? "")'")
        }
    }

    /// To the one reader values that are passed over count as well as all others; the other does not look into them.
    private static func nestsTooDeep(_ bytes: [UInt8]) -> Bool {
        bytes.count { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "{") } > 60
    }

    /// Numbers that are passed over may be of any size.
    private static func hasHugeNumber(_ bytes: [UInt8]) -> Bool {
        bytes.contains(UInt8(ascii: "e")) || bytes.contains(UInt8(ascii: "E")) || bytes.count > 300
    }
}

/// JSON as Foundation reads it.
private struct ForeignValue: Decodable {
    let value: JSONValue

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            value = .null
        } else if let flag = try? container.decode(Bool.self) {
            value = .bool(flag)
        } else if let text = try? container.decode(String.self) {
            value = .string(text)
        } else if let number = try? container.decode(Int64.self) {
            value = .integer(number)
        } else if let number = try? container.decode(Double.self) {
            value = .number(number)
        } else if let elements = try? container.decode([ForeignValue].self) {
            value = .array(elements.map(\.value))
        } else {
            value = .object(try container.decode([String: ForeignValue].self).mapValues(\.value))
        }
    }
}

extension JSONValue {
    /// Whether Foundation has read the same: to it, it does not matter how whole numbers are written, and it knows all
    /// digits of those that are between two floating-point numbers.
    fileprivate func matches(_ foreign: JSONValue) -> Bool {
        switch (self, foreign) {
        case (.number(let number), .integer(let whole)): number == Double(whole)
        case (.array(let elements), .array(let others)):
            elements.count == others.count && zip(elements, others).allSatisfy { $0.matches($1) }
        case (.object(let members), .object(let others)):
            members.count == others.count
                && members.allSatisfy { key, value in others[key].map { value.matches($0) } ?? false }
        default: self == foreign
        }
    }
}
