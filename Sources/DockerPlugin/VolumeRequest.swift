// SPDX-License-Identifier: Apache-2.0

/// The body of a `VolumeDriver` call: all of them share these three fields.
///
/// Source: moby/moby, volume/drivers/proxy.go.
public struct VolumeRequest: Hashable, Sendable {
    /// The volume: any string at all, as the engine on Linux checks no name for a plugin.
    public var name: String?
    /// The mount ID, 64 hexadecimal digits, on `Mount` and `Unmount`.
    public var id: String?
    /// Options on `Create`; nil where the user gave none (`docker run -v`).
    public var options: [String: String]?

    /// Makes a request.
    public init(name: String? = nil, id: String? = nil, options: [String: String]? = nil) {
        self.name = name
        self.id = id
        self.options = options
    }

    /// Reads a request body.
    ///
    /// As Go's decoder does, keys match whatever their case, unknown keys are ignored, the last of equal keys
    /// counts, and null leaves a field unset.
    ///
    /// - Parameter body: One JSON object.
    /// - Throws: ``JSONError`` if the body is not JSON or a field has another type.
    public init(decoding body: [UInt8]) throws(JSONError) {
        self.init()
        var reader = JSONReader(body)
        var decoded = Self()
        if try !reader.takeNull() {
            try reader.readObject { (reader, key) throws(JSONError) in
                switch key.lowercased() {
                case "name": decoded.name = try reader.readOptionalString() ?? decoded.name
                case "id": decoded.id = try reader.readOptionalString() ?? decoded.id
                case "opts": decoded.options = try reader.readOptionalStrings()
                default: try reader.skipValue()
                }
            }
        }
        try reader.finish()
        self = decoded
    }
}

extension JSONReader {
    fileprivate mutating func readOptionalString() throws(JSONError) -> String? {
        try takeNull() ? nil : try readString()
    }

    fileprivate mutating func readOptionalStrings() throws(JSONError) -> [String: String]? {
        if try takeNull() { return nil }
        var strings: [String: String] = [:]
        try readObject { (reader, key) throws(JSONError) in
            strings[key] = try reader.readOptionalString() ?? ""
        }
        return strings
    }
}
