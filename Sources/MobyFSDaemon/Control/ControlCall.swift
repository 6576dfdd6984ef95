// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MobyFSVolumes

/// A call of the command line to the daemon: the request, which is the value itself, and its answer.
///
/// On the wire both are JSON objects whose keys begin with a capital, as those of the plugin protocol do. What a version
/// does not know it refuses: it may be of a later one, and matter.
package protocol ControlCall: Codable, Sendable {
    associatedtype Answer: Codable, Sendable
}

/// An answer that says nothing but that it was done.
package struct Done: Codable, Hashable, Sendable {
    package init() {}
}

extension ControlCall {
    /// The name of the method: that of the type.
    static var method: String { "\(Self.self)" }

    /// As it is called: `Control.ResizeVolume`.
    package static var path: String { "\(ControlCoding.subsystem).\(method)" }

    /// The request as it is sent.
    package var encoded: [UInt8] {
        get throws { try ControlCoding.encode(self) }
    }

    /// Reads an answer.
    package static func answer(decoding body: [UInt8]) throws -> Answer {
        try ControlCoding.decode(Answer.self, from: body)
    }
}

/// How calls and answers are written.
enum ControlCoding {
    static let subsystem = "Control"

    /// Why a request makes no sense.
    struct BadRequest: Error, CustomStringConvertible {
        let description: String
    }

    static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        encoder.keyEncodingStrategy = .custom { Key($0[$0.count - 1].stringValue.capitalizedFirst) }
        return Array(try encoder.encode(value))
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from body: [UInt8]) throws -> Value {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        decoder.keyDecodingStrategy = .custom { Key($0[$0.count - 1].stringValue.uncapitalizedFirst) }
        return try decoder.decode(type, from: Data(body))
    }

    /// Reads a request, and refuses keys that it does not have.
    static func read<Call: ControlCall>(_ type: Call.Type, from body: [UInt8]) throws(BadRequest) -> Call {
        do {
            let call = try decode(type, from: body)
            let keys = try JSONDecoder().decode([String: Anything].self, from: Data(body)).keys
            let known = Array(try JSONDecoder().decode([String: Anything].self, from: Data(try encode(call))).keys)
            if let unknown = keys.sorted().first(where: { !known.contains($0) }) {
                throw BadRequest(description: Suggestion.complaint("key", unknown, known: known.sorted()))
            }
            return call
        } catch let error as BadRequest {
            throw error
        } catch let error as DecodingError {
            throw BadRequest(description: reason(error))
        } catch {
            throw BadRequest(description: "the request cannot be read: \(error)")
        }
    }

    private static func reason(_ error: DecodingError) -> String {
        func path(_ context: DecodingError.Context) -> String {
            // Keys below the first are the caller's own.
            context.codingPath.map(\.stringValue).joined(separator: ".").capitalizedFirst
        }
        switch error {
        case .keyNotFound(let key, _): return "'\(key.stringValue.capitalizedFirst)' is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            let place = path(context)
            return place.isEmpty ? "the request is no JSON object" : "'\(place)': \(context.debugDescription)"
        case .dataCorrupted(let context):
            let place = path(context)
            return place.isEmpty ? "the request is no JSON" : "'\(place)': \(context.debugDescription)"
        @unknown default: return "\(error)"
        }
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(_ text: String) { stringValue = text }
        init?(stringValue: String) { self.init(stringValue) }
        init?(intValue: Int) { nil }
    }

    /// A value of any kind, which does not matter.
    private struct Anything: Decodable {
        init(from decoder: any Decoder) throws {}
    }
}

extension String {
    fileprivate var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
    fileprivate var uncapitalizedFirst: String { prefix(1).lowercased() + dropFirst() }
}
