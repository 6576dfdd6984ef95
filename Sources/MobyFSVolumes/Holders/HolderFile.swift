// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSHost

/// Who holds a volume, as it is written down: a JSON object on each line.
///
/// ```json
/// {"name":"data","bootID":"…","holders":{"byID":{"4fe1…":{"count":1,"isConfirmed":true,"engine":{"processID":812,…}}}}}
/// {"id":"77ab…","holder":{"count":1,…}}
/// {"id":"4fe1…"}
/// ```
///
/// The first says who held the volume when the file was written, and each further one who holds it as well or as often by
/// then, or does no longer. So a change is one short write. Whole is a line that parses: one that a crash or a full disk has
/// cut off was never acknowledged, and the next begins with a line break of its own.
struct HolderFile {
    let name: VolumeName
    /// The boot that all of it belongs to.
    let bootID: String
    let holders: VolumeHolders

    /// The size from which it is better written anew.
    static func sizeLimit(of holders: VolumeHolders) -> Int {
        (holders.byID.count + 16) * 1024
    }

    // MARK: - Writing

    /// The file with nothing but its first line.
    var bytes: [UInt8] {
        var writer = JSONWriter()
        writer.raw("{\"name\":")
        writer.string(name.description)
        writer.raw(",\"bootID\":")
        writer.string(bootID)
        writer.raw(",\"holders\":{\"byID\":")
        writer.list("{", holders.byID.sorted { $0.key < $1.key }, "}") { writer, member in
            writer.string(member.key)
            writer.raw(":")
            writer.holder(member.value)
        }
        writer.raw("}}")
        return writer.bytes
    }

    /// A line about a mount ID of which something has changed.
    static func line(on id: String, of holders: VolumeHolders) -> [UInt8] {
        var writer = JSONWriter(capacity: 256)
        writer.raw("\n{\"id\":")
        writer.string(id)
        if let holder = holders.byID[id] {
            writer.raw(",\"holder\":")
            writer.holder(holder)
        }
        writer.raw("}")
        return writer.bytes
    }

    // MARK: - Reading

    init(name: VolumeName, bootID: String, holders: VolumeHolders) {
        self.name = name
        self.bootID = bootID
        self.holders = holders
    }

    /// Reads a file.
    ///
    /// - Throws: ``VolumeError`` or `JSONError` saying what is wrong with it.
    init(reading bytes: [UInt8]) throws {
        let lines = bytes.split(separator: UInt8(ascii: "\n"))
        let first = try JSONValue(parsing: Array(lines.first ?? []))
        guard let name = first["name"]?.string, let bootID = first["bootID"]?.string,
            case .object(let members)? = first["holders"]?["byID"]
        else { throw VolumeError(.io, "it does not say who holds what since when") }
        self.name = try VolumeName(name)
        self.bootID = bootID
        var byID = try members.mapValues { try Holder($0, bootID: bootID) }
        for line in lines.dropFirst() {
            guard let change = try? JSONValue(parsing: Array(line)), let id = change["id"]?.string else { continue }
            byID[id] = try change["holder"].map { try Holder($0, bootID: bootID) }
        }
        holders = VolumeHolders(byID: byID)
    }
}

extension JSONWriter {
    fileprivate mutating func holder(_ holder: Holder) {
        raw("{\"count\":")
        raw(holder.count)
        raw(",\"isConfirmed\":")
        raw(holder.isConfirmed ? "true" : "false")
        raw(",\"isInherited\":")
        raw(holder.isInherited ? "true" : "false")
        if holder.isAlone { raw(",\"isAlone\":true") }
        if let engine = holder.engine {
            raw(",\"engine\":{\"processID\":")
            raw(engine.processID)
            raw(",\"startTime\":")
            raw(engine.startTime)
            raw("}")
        }
        raw("}")
    }
}

extension Holder {
    fileprivate init(_ value: JSONValue, bootID: String) throws(VolumeError) {
        // Counts that can have come about; a file may say anything.
        guard case .integer(let count)? = value["count"], (1...Int64(Int32.max)).contains(count),
            case .bool(let isConfirmed)? = value["isConfirmed"], case .bool(let isInherited)? = value["isInherited"]
        else { throw VolumeError(.io, "its counts make no sense") }
        self.init(count: Int(count))
        self.isConfirmed = isConfirmed
        self.isInherited = isInherited
        isAlone = value["isAlone"] == true
        guard let engine = value["engine"], engine != .null else { return }
        guard case .integer(let processID)? = engine["processID"], let processID = Int32(exactly: processID),
            case .integer(let startTime)? = engine["startTime"], let startTime = UInt64(exactly: startTime)
        else { throw VolumeError(.io, "it does not say which engine it speaks of") }
        self.engine = ProcessIdentity(processID: processID, startTime: startTime, bootID: bootID)
    }
}
