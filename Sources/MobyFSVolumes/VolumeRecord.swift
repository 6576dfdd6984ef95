// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// A volume as it is written to `record.json`.
package struct VolumeRecord: Codable {
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

    var version: Int
    /// Of the record's other bytes; nil in one of before there was any, or that somebody has changed by hand.
    var checksum: String?
    /// For whoever finds the record somewhere else; the directory's name counts.
    var name: String
    var driver: String
    var options: [String: String]
    var createdAt: Date
    var state: [String: String]?
    var plugin: String?
    var adopted: Bool?
    var createdSize: String?
    var pendingRestore: PendingRestore?
    var removedAt: Date?

    private struct Header: Codable {
        var version: Int
        var checksum: String?
    }

    package static func encode(_ volume: Volume) throws -> [UInt8] {
        let record = VolumeRecord(
            version: currentVersion, checksum: RecordChecksum.blank, name: volume.name.description,
            driver: volume.driver,
            options: volume.options.values, createdAt: volume.createdAt,
            state: volume.state.isEmpty ? nil : volume.state, plugin: volume.plugin,
            adopted: volume.isAdopted ? true : nil, createdSize: volume.createdSize?.normal,
            pendingRestore: volume.pendingRestore, removedAt: volume.removedAt)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return RecordChecksum.fill(in: Array(try encoder.encode(record)) + [UInt8(ascii: "\n")])
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
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        let data = Data(bytes)
        do {
            let record: VolumeRecord
            do {
                record = try decoder.decode(VolumeRecord.self, from: data)
            } catch {
                // It may be one of a later format; what all have in common tells.
                try check(decoder.decode(Header.self, from: data), in: bytes)
                throw error
            }
            try check(Header(version: record.version, checksum: record.checksum), in: bytes)
            var volume = Volume(
                name: try VolumeName(record.name), driver: record.driver,
                options: VolumeOptions(checked: record.options),
                createdAt: record.createdAt, state: record.state ?? [:])
            volume.plugin = record.plugin
            volume.isAdopted = record.adopted ?? false
            volume.createdSize = record.createdSize.flatMap { ByteSize($0) }
            volume.pendingRestore = record.pendingRestore
            volume.removedAt = record.removedAt
            return volume
        } catch let problem as Problem {
            throw problem
        } catch let error as DecodingError {
            throw .damaged(reason(error))
        } catch {
            throw .damaged("\(error)")
        }
    }

    private static func check(_ header: Header, in bytes: [UInt8]) throws(Problem) {
        // First of all: the version may be what has changed.
        if let checksum = header.checksum, !RecordChecksum.isRight(checksum, in: bytes) {
            throw .damaged(
                "its checksum is not that of its content; who changes it by hand takes the line \"checksum\" out")
        }
        guard header.version > 0 else { throw .damaged("there is no format \(header.version)") }
        guard header.version <= currentVersion else { throw .newer(version: header.version) }
    }

    private static func reason(_ error: DecodingError) -> String {
        switch error {
        case .dataCorrupted(let context), .typeMismatch(_, let context), .valueNotFound(_, let context):
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            guard !path.isEmpty else { return "it is no JSON: something has cut it off or written over it" }
            return "'\(path)': \(context.debugDescription)"
        case .keyNotFound(let key, _): return "'\(key.stringValue)' is missing"
        @unknown default: return "\(error)"
        }
    }
}
