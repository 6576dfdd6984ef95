// SPDX-License-Identifier: Apache-2.0

public import FoundationEssentials

/// What a plugin tells the engine about a volume, in answer to `Get` and `List`.
public struct VolumeInfo: Hashable, Sendable {
    /// The name, exactly as the engine asked for it: it takes the name from the reply.
    public var name: String
    /// Where the volume's data is on the host, or nil while that is nowhere.
    public var mountpoint: String?
    /// When the volume was created.
    ///
    /// The engine shows year 1 where it is nil, and for every entry of a `List`.
    public var createdAt: Date?
    /// Facts for `docker volume inspect`.
    public var status: [String: JSONValue]

    /// Makes a description of a volume.
    public init(
        name: String, mountpoint: String? = nil, createdAt: Date? = nil, status: [String: JSONValue] = [:]
    ) {
        self.name = name
        self.mountpoint = mountpoint
        self.createdAt = createdAt
        self.status = status
    }
}

/// Whether a volume of a plugin is on one host or on all of a cluster.
///
/// Shown by the engine, and acted on by nothing in it.
public enum VolumeScope: String, Sendable {
    /// Each host has volumes of its own.
    case local
    /// A volume is the same on every host.
    case global
}

extension JSONWriter {
    /// Writes a volume.
    ///
    /// The engine fails the whole reply on a `CreatedAt` that is not RFC 3339.
    mutating func volume(_ volume: VolumeInfo) {
        raw("{\"Name\":")
        string(volume.name)
        if let mountpoint = volume.mountpoint {
            raw(",\"Mountpoint\":")
            string(mountpoint)
        }
        // Go's reader knows the years 1 to 9999.
        if let createdAt = volume.createdAt,
            (-62_135_596_800..<253_402_300_800).contains(createdAt.timeIntervalSince1970)
        {
            raw(",\"CreatedAt\":")
            string(createdAt.formatted(.iso8601))
        }
        if !volume.status.isEmpty {
            raw(",\"Status\":")
            object(volume.status)
        }
        raw("}")
    }
}
