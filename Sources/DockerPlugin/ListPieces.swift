// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The last list of volumes, of which the next one is made: what was said of a volume that is as it was is copied.
final class ListPieces: Sendable {
    private struct Piece {
        let version: UInt64
        let range: Range<Int>
    }

    private struct List {
        var body: [UInt8] = []
        var pieces: [String: Piece] = [:]
    }

    private let last = Mutex(List())

    /// Makes a list.
    ///
    /// - Parameters:
    ///   - versions: The volumes, and what version each has that is to be described at least.
    ///   - describe: Describes some of them.
    /// - Returns: The body of the answer.
    /// - Throws: What `describe` throws.
    func list(
        of versions: [(name: String, version: UInt64)], _ describe: ([String]) throws -> [VolumeInfo]
    ) rethrows -> [UInt8] {
        let last = last.withLock { $0 }
        let changed = versions.filter { last.pieces[$0.name]?.version != $0.version }.map(\.name)
        let infos = try Dictionary((changed.isEmpty ? [] : describe(changed)).map { ($0.name, $0) }) { $1 }
        var pieces = [String: Piece](minimumCapacity: versions.count)
        var writer = JSONWriter(capacity: last.body.count + changed.count * 512)
        writer.raw("{\"Volumes\":[")
        for (name, version) in versions {
            let kept = last.pieces[name].flatMap { $0.version == version ? $0.range : nil }
            // One that is gone by now is not in the list.
            guard kept != nil || infos[name] != nil else { continue }
            if !pieces.isEmpty { writer.raw(",") }
            let start = writer.bytes.count
            if let kept { writer.raw(last.body[kept]) } else if let info = infos[name] { writer.volume(info) }
            pieces[name] = Piece(version: version, range: start..<writer.bytes.count)
        }
        writer.raw("]}")
        self.last.withLock { [pieces] in $0 = List(body: writer.bytes, pieces: pieces) }
        return writer.bytes
    }
}
