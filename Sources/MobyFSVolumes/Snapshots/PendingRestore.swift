// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import MobyFSHost
import SystemPackage

/// Content that is about to take the place of a volume's own, by which the volume gets another size.
///
/// Content and record change one after the other. If a crash comes in between, which content there is tells which size the
/// volume has: all of the restore has happened, or nothing.
struct PendingRestore: Hashable, Sendable {
    /// The name of the content in the volume's directory.
    let content: String
    /// Which content it is that comes, as ``FileID/lastingName(at:)`` has it.
    let identity: String
    /// The size that the volume has with it; nil for none.
    let size: String?

    /// - Throws: ``SystemCallError`` if the content is not there.
    init(of staged: FilePath, named content: String, size: String?) throws {
        self.content = content
        identity = try FileID.lastingName(at: staged)
        self.size = size
    }

    /// Whether the content has come to its place.
    func hasHappened(in directory: FilePath) -> Bool {
        // Without content, what was there before will be put back.
        (try? FileID.lastingName(at: directory.appending(content))) == identity
    }
}

extension PendingRestore: RecordValue {
    static var kind: String { "an object with \"content\" and \"identity\"" }

    var json: JSONValue {
        .object(["content": content, "identity": identity, "size": size].compactMapValues { $0.map { .string($0) } })
    }

    init?(json: JSONValue) {
        guard let content = json["content"]?.string, let identity = json["identity"]?.string else { return nil }
        (self.content, self.identity, size) = (content, identity, json["size"]?.string)
    }
}

extension Volume {
    /// The volume that its record speaks of, in whose directory a restore may have been cut off.
    func settled(in directory: FilePath) -> Volume {
        guard let pendingRestore else { return self }
        var volume = self
        volume.pendingRestore = nil
        if pendingRestore.hasHappened(in: directory) {
            volume.options = options.with("size", pendingRestore.size)
        }
        return volume
    }
}
