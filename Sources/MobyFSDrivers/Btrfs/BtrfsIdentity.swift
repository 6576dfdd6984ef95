// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSVolumes
import SystemPackage

/// The subvolume that a volume was created as.
struct BtrfsIdentity {
    private static let key = "subvolume.uuid"

    private let uuid: String

    init(_ subvolume: BtrfsSubvolume) {
        uuid = subvolume.uuid
    }

    init?(state: [String: String]) {
        guard let uuid = state[Self.key] else { return nil }
        self.uuid = uuid
    }

    /// As a record keeps it.
    var state: [String: String] { [Self.key: uuid] }

    /// Throws unless a subvolume is the one, or was restored from a snapshot of it.
    ///
    /// Else the container might find an empty subvolume that somebody has made in its place.
    func require(_ subvolume: BtrfsSubvolume, of volume: Volume, at data: borrowing BtrfsDirectory) throws {
        guard subvolume.uuid != uuid, try !data.descends(subvolume, from: uuid) else { return }
        throw VolumeError(
            .unavailable,
            "volume '\(volume.name)' cannot be mounted: '\(data.path)' is another subvolume than the one that was created, "
                + "nor is it made from a snapshot of it; put that one back, or, if it is what belongs there, take the lines "
                + "\"\(Self.key)\" and \"checksum\" out of '\(data.path.removingLastComponent())/record.json' and restart mobyfs"
        )
    }
}
