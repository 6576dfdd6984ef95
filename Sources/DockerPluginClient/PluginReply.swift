// SPDX-License-Identifier: Apache-2.0

public import DockerPlugin

/// One header field of an HTTP message.
public struct HTTPField: Hashable, Sendable {
    /// The name, in the letters it was sent in.
    public var name: String
    /// The value, without white space around it.
    public var value: String

    /// Makes a field.
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

extension [HTTPField] {
    /// The value of the first field of that name, whatever the case of its letters.
    public subscript(name: String) -> String? {
        first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// What a plugin answered, as it came over the wire.
public struct PluginReply: Hashable, Sendable {
    /// The HTTP status.
    public var status: Int
    /// The header fields, in their order.
    public var headers: [HTTPField]
    /// The body, whole.
    public var body: [UInt8]

    /// The JSON value that an engine would take from the body: the first one.
    ///
    /// - Throws: `JSONError` where an engine could not read it either.
    public var value: JSONValue {
        get throws(JSONError) { try JSONValue(parsing: body, ignoresRest: true) }
    }
}
