// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// What is on disk of a volume: the volume, and who holds it.
///
/// ```json
/// {"createdAt":"2026-01-31T12:00:00Z","mounts":{"bootID":"…","holders":{"4fe1…":{"count":1,"engine":812}}},
///  "name":"data","options":{"size":"1G"},"version":1}
/// ```
struct VolumeFile: Hashable, Sendable {
    /// The format that is written, and the latest that is read.
    private static let version: Int64 = 1

    var volume: StoredVolume
    var mounts = MountCounts()

    func encoded(bootID: String) -> [UInt8] {
        var members: [String: JSONValue] = [
            "version": .integer(Self.version), "name": .string(volume.name),
            "options": .object(volume.options.mapValues { .string($0) }),
            "createdAt": .string(volume.createdAt.formatted(.iso8601)),
        ]
        if !mounts.isEmpty {
            let holders = mounts.holders.mapValues { holder in
                var members: [String: JSONValue] = ["count": .integer(Int64(holder.count))]
                if let engine = holder.engine { members["engine"] = .integer(Int64(engine)) }
                return JSONValue.object(members)
            }
            members["mounts"] = .object(["bootID": .string(bootID), "holders": .object(holders)])
        }
        return JSONValue.object(members).encoded + [UInt8(ascii: "\n")]
    }

    /// Reads a file.
    ///
    /// - Parameters:
    ///   - bytes: All of it.
    ///   - bootID: The kernel's name for this boot: mounts of an earlier one are gone, and so are who held them.
    /// - Throws: ``PluginError`` or ``JSONError`` saying what is wrong with it.
    init(decoding bytes: [UInt8], bootID: String) throws {
        let value = try JSONValue(parsing: bytes)
        guard case .integer(let version)? = value["version"], version > 0 else {
            throw PluginError("it has no 'version'")
        }
        guard version <= Self.version else {
            throw PluginError("a later version of this plugin has written it, in format \(version)")
        }
        guard let name = value["name"]?.string else { throw PluginError("it has no 'name'") }
        guard let created = value["createdAt"]?.string, let createdAt = try? Date(created, strategy: .iso8601) else {
            throw PluginError("its 'createdAt' is no time")
        }
        guard case .object(let members)? = value["options"] else { throw PluginError("it has no 'options'") }
        let options = try members.mapValues { option in
            guard let text = option.string else { throw PluginError("its 'options' are no texts") }
            return text
        }
        self.init(volume: StoredVolume(name: name, options: options, createdAt: createdAt))
        // Counts that cannot be read are lost; the volume is not.
        if !bootID.isEmpty, value["mounts"]?["bootID"]?.string == bootID,
            case .object(let holders)? = value["mounts"]?["holders"]
        {
            mounts.holders = holders.compactMapValues { MountCounts.Holder($0) }
        }
    }

    init(volume: StoredVolume) {
        self.volume = volume
    }
}

extension MountCounts.Holder {
    fileprivate init?(_ value: JSONValue) {
        guard case .integer(let count)? = value["count"], (1...Int64(Int32.max)).contains(count) else { return nil }
        self.init(count: Int(count))
        if case .integer(let engine)? = value["engine"] { self.engine = Int32(exactly: engine) }
    }
}
