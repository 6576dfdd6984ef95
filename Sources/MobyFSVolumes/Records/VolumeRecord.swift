// SPDX-License-Identifier: Apache-2.0

/// A volume as it is written to `record.json`.
package enum VolumeRecord {
    /// The format this version writes, and the latest it reads.
    package static let currentVersion = 1

    /// A record that cannot be read.
    package enum Problem: Error, Hashable, CustomStringConvertible {
        /// The bytes are no record.
        case damaged(String)
        /// A later mobyfs has written it.
        case newer(version: Int)

        package var description: String {
            switch self {
            case .damaged(let reason): "its record does not parse: \(reason)"
            case .newer(let version):
                "its record has format \(version) and this mobyfs knows formats up to \(currentVersion): install a newer mobyfs"
            }
        }
    }

    /// Writes a record.
    package static func encode(_ volume: Volume) -> [UInt8] {
        var record = RecordMembers()
        record.set("version", currentVersion)
        record.set("checksum", RecordChecksum.blank)
        // For whoever finds the record somewhere else; the directory's name counts.
        record.set("name", volume.name.description)
        record.set("driver", volume.driver)
        record.set("options", volume.options.values)
        record.set("createdAt", volume.createdAt)
        record.set("state", volume.state.isEmpty ? nil : volume.state)
        record.set("plugin", volume.plugin)
        record.set("adopted", volume.isAdopted ? true : nil)
        record.set("createdSize", volume.createdSize?.normal)
        record.set("pendingRestore", volume.pendingRestore)
        record.set("removedAt", volume.removedAt)
        return RecordChecksum.fill(in: record.bytes)
    }

    /// Reads a record.
    ///
    /// - Parameter bytes: What `record.json` holds.
    /// - Returns: The volume, under the name that the record says.
    /// - Throws: ``Problem`` if the record is damaged or newer than this mobyfs.
    package static func decode(_ bytes: [UInt8]) throws(Problem) -> Volume {
        guard bytes.contains(where: { $0 != 0 }) else {
            throw .damaged(bytes.isEmpty ? "it is empty" : "all its \(bytes.count) bytes are zero")
        }
        let record = try RecordMembers(parsing: bytes)
        try check(record, of: bytes)
        var volume = Volume(
            name: try name(in: record), driver: try record.required("driver"),
            options: VolumeOptions(checked: try record.required("options")),
            createdAt: try record.required("createdAt"), state: try record.optional("state") ?? [:])
        volume.plugin = try record.optional("plugin")
        volume.isAdopted = try record.optional("adopted") ?? false
        volume.createdSize = try record.optional("createdSize").flatMap { ByteSize($0) }
        volume.pendingRestore = try record.optional("pendingRestore")
        volume.removedAt = try record.optional("removedAt")
        return volume
    }

    /// Checks what the records of all formats have in common.
    private static func check(_ record: RecordMembers, of bytes: [UInt8]) throws(Problem) {
        // First of all: the version may be what has changed. There was none once, and whoever changes a record by hand
        // takes it out.
        if let checksum: String = try record.optional("checksum"), !RecordChecksum.isRight(checksum, in: bytes) {
            throw .damaged(
                "its checksum is not that of its content; who changes it by hand takes the line \"checksum\" out")
        }
        let version: Int = try record.required("version")
        guard version > 0 else { throw .damaged("there is no format \(version)") }
        guard version <= currentVersion else { throw .newer(version: version) }
    }

    private static func name(in record: RecordMembers) throws(Problem) -> VolumeName {
        let text: String = try record.required("name")
        do {
            return try VolumeName(text)
        } catch {
            throw .damaged("\(error)")
        }
    }
}
