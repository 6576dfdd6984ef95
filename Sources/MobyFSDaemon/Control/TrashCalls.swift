// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import MobyFSVolumes

/// Asks for the removed volumes whose data is still there, the oldest first.
package struct ListTrash: ControlCall {
    package struct Answer: Codable, Sendable {
        package let items: [TrashedVolume]
    }

    package init() {}
}

/// A removed volume.
package struct TrashedVolume: Codable, Hashable, Sendable {
    /// What tells it from others of its name.
    package let id: String
    package let name: String
    package let driver: String
    package let removedAt: Date?
    /// When it will be deleted; nil if somebody has to say so.
    package let expiresAt: Date?

    init(_ item: Trash.Item) {
        id = item.id
        name = item.volume.name.description
        driver = item.volume.driver
        removedAt = item.removedAt
        expiresAt = item.expiresAt
    }
}

/// Makes a removed volume a volume again.
package struct RestoreFromTrash: ControlCall {
    package struct Answer: Codable, Hashable, Sendable {
        /// What it is called.
        package let name: String
    }

    /// A name, or an ID.
    package let item: String
    /// Nil for the name that it had.
    package let newName: String?

    package init(item: String, newName: String?) {
        self.item = item
        self.newName = newName
    }
}

/// Has removed volumes deleted for good.
package struct DeleteFromTrash: ControlCall {
    package struct Answer: Codable, Hashable, Sendable {
        package let ids: [String]
    }

    /// Names or IDs; none for all.
    package let items: [String]
    /// Only those that were removed before.
    package let removedBefore: Date?

    package init(items: [String], removedBefore: Date?) {
        self.items = items
        self.removedBefore = removedBefore
    }
}

/// Removes all volumes that nobody holds and nothing protects, into the trash.
package struct PruneVolumes: ControlCall {
    package struct Answer: Codable, Hashable, Sendable {
        /// Those that were removed, or would be.
        package let names: [String]
        /// Those that could have gone, and why they are there still.
        package let left: [Left]
    }

    package struct Left: Codable, Hashable, Sendable {
        package let name: String
        package let trouble: String
    }

    /// Whether to say only which these are.
    package let dryRun: Bool

    package init(dryRun: Bool) { self.dryRun = dryRun }
}
