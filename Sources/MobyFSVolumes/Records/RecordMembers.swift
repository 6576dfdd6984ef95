// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import FoundationEssentials

/// The members of a JSON object that is kept in a file, where people read it and may change it by hand.
///
/// ```json
/// {
///   "createdAt" : "2026-01-31T12:00:00Z",
///   "options" : {"size":"1G"}
/// }
/// ```
struct RecordMembers {
    /// A dozen at most, of which the last of a name counts: to find one here takes less than to hash its name.
    private var members: [(key: String, value: JSONValue)] = []

    init() {}

    /// Reads an object.
    ///
    /// - Throws: ``VolumeRecord/Problem`` if it is none.
    init(parsing bytes: [UInt8]) throws(VolumeRecord.Problem) {
        do {
            members = try JSONValue.members(parsing: bytes)
        } catch {
            throw .damaged(
                (try? JSONValue(parsing: bytes)) == nil
                    ? "it is no JSON: something has cut it off or written over it" : "it is no JSON object")
        }
    }

    /// Writes the object, its members in order and each on a line of its own.
    var bytes: [UInt8] {
        var writer = JSONWriter(capacity: 512)
        writer.list("{", members.sorted { $0.key < $1.key }, "\n}\n") { writer, member in
            writer.raw("\n  ")
            writer.string(member.key)
            writer.raw(" : ")
            writer.value(member.value)
        }
        return writer.bytes
    }

    /// A member that may be missing.
    ///
    /// - Throws: ``VolumeRecord/Problem`` if it is there and something else.
    func optional<Value: RecordValue>(_ key: String) throws(VolumeRecord.Problem) -> Value? {
        guard let json = members.last(where: { $0.key == key })?.value, json != .null else { return nil }
        guard let value = Value(json: json) else { throw .damaged("'\(key)' is not \(Value.kind)") }
        return value
    }

    /// A member that must be there.
    ///
    /// - Throws: ``VolumeRecord/Problem`` if it is not, or something else.
    func required<Value: RecordValue>(_ key: String) throws(VolumeRecord.Problem) -> Value {
        guard let value: Value = try optional(key) else { throw .damaged("'\(key)' is missing") }
        return value
    }

    /// Puts a member in that is not there yet; nil leaves it out.
    mutating func set(_ key: String, _ value: (some RecordValue)?) {
        if let json = value?.json { members.append((key, json)) }
    }
}

/// What a member can be.
protocol RecordValue {
    /// What it is to be, in words.
    static var kind: String { get }
    var json: JSONValue { get }
    init?(json: JSONValue)
}

extension String: RecordValue {
    static var kind: String { "text" }
    var json: JSONValue { .string(self) }

    init?(json: JSONValue) {
        guard let text = json.string else { return nil }
        self = text
    }
}

extension Int: RecordValue {
    static var kind: String { "a whole number" }
    var json: JSONValue { .integer(Int64(self)) }

    init?(json: JSONValue) {
        guard case .integer(let number) = json, let number = Int(exactly: number) else { return nil }
        self = number
    }
}

extension Bool: RecordValue {
    static var kind: String { "true or false" }
    var json: JSONValue { .bool(self) }

    init?(json: JSONValue) {
        guard case .bool(let flag) = json else { return nil }
        self = flag
    }
}

/// To make one takes half as long as to read a time with it.
private let timeFormat = Date.ISO8601FormatStyle()

/// In whole seconds, as ISO 8601 has it.
extension Date: RecordValue {
    static var kind: String { "a time such as \"2026-01-31T12:00:00Z\"" }
    var json: JSONValue { .string(timeFormat.format(self)) }

    init?(json: JSONValue) {
        guard let text = json.string else { return nil }
        if let seconds = RecordTime.seconds(text) {
            self.init(timeIntervalSince1970: Double(seconds))
        } else if let date = try? timeFormat.parse(text) {
            self.init(timeIntervalSince1970: date.timeIntervalSince1970.rounded(.down))
        } else {
            return nil
        }
    }
}

extension Dictionary: RecordValue where Key == String, Value == String {
    static var kind: String { "an object of texts" }
    var json: JSONValue { .object(mapValues { .string($0) }) }

    init?(json: JSONValue) {
        guard case .object(let members) = json else { return nil }
        self.init(minimumCapacity: members.count)
        for (key, value) in members {
            guard let text = value.string else { return nil }
            self[key] = text
        }
    }
}
