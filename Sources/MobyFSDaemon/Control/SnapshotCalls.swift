// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import MobyFSVolumes

/// Keeps what a volume holds now.
package struct CreateSnapshot: ControlCall {
    package struct Answer: Codable, Hashable, Sendable {
        /// What it is called.
        package let snapshot: String
    }

    package let name: String
    /// What it is to be called; nil for the time.
    package let snapshot: String?

    package init(name: String, snapshot: String?) {
        self.name = name
        self.snapshot = snapshot
    }
}

/// Asks for the snapshots of a volume, the oldest first.
package struct ListSnapshots: ControlCall {
    package struct Answer: Codable, Sendable {
        package let snapshots: [SnapshotDetails]
    }

    package let name: String

    package init(name: String) { self.name = name }
}

/// What a volume held at one moment.
package struct SnapshotDetails: Codable, Hashable, Sendable {
    package let name: String
    package let createdAt: Date
    /// Whether the schedule has made it, and may take it away.
    package let scheduled: Bool
    /// The size that the volume had then; nil if none.
    package let size: String?

    init(_ snapshot: Snapshot) {
        name = snapshot.name.description
        createdAt = snapshot.createdAt
        scheduled = snapshot.isScheduled
        size = snapshot.volume.options["size"]
    }
}

/// Deletes a snapshot.
package struct RemoveSnapshot: ControlCall {
    package typealias Answer = Done

    package let name: String
    package let snapshot: String

    package init(name: String, snapshot: String) {
        self.name = name
        self.snapshot = snapshot
    }
}

/// Lets a volume hold again what it held when a snapshot was made.
package struct RestoreSnapshot: ControlCall {
    package typealias Answer = Done

    package let name: String
    package let snapshot: String

    package init(name: String, snapshot: String) {
        self.name = name
        self.snapshot = snapshot
    }
}

/// Makes the snapshots that are due by the schedules of their volumes, and deletes those that are too many.
package struct MakeScheduledSnapshots: ControlCall {
    package struct Answer: Codable, Sendable {
        package let snapshots: [Outcome]
    }

    /// A snapshot that was due.
    package struct Outcome: Codable, Hashable, Sendable {
        package let name: String
        /// What it is called; nil if there is none.
        package let snapshot: String?
        /// Why there is none.
        package let trouble: String?
    }

    package init() {}
}
