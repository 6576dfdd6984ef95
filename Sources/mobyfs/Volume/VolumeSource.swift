// SPDX-License-Identifier: Apache-2.0

import MobyFSDaemon

extension DaemonOptions {
    /// Makes sure that there is the volume, or the snapshot, that a command begins with.
    ///
    /// The daemon would speak of options that nobody has given.
    ///
    /// - Parameter source: `VOLUME` or `VOLUME@SNAPSHOT`.
    /// - Throws: ``CommandFailure``.
    func require(_ source: String) async throws {
        // No volume has an @ in its name.
        guard let at = source.firstIndex(of: "@") else {
            _ = try await call(InspectVolume(name: source))
            return
        }
        try await requireSnapshot(String(source[source.index(after: at)...]), of: String(source[..<at]))
    }

    /// Makes sure that a volume has a snapshot.
    func requireSnapshot(_ snapshot: String, of name: String) async throws {
        guard try await call(ListSnapshots(name: name)).answer.snapshots.contains(where: { $0.name == snapshot }) else {
            throw CommandFailure(
                "volume '\(name)' has no snapshot '\(snapshot)'; 'mobyfs volume snapshots \(name)' shows what it has")
        }
    }
}
