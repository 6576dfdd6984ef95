// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
import MobyFSHost
import MobyFSVolumes
import SystemPackage

/// Asks for all volumes, by name.
package struct ListVolumes: ControlCall {
    package typealias Answer = VolumeList

    package init() {}
}

/// Asks for one volume.
package struct InspectVolume: ControlCall {
    package typealias Answer = VolumeDetails

    package let name: String

    package init(name: String) { self.name = name }
}

/// Creates a volume, as an engine does; one that is there already with these options is fine.
package struct CreateVolume: ControlCall {
    package typealias Answer = Done

    package let name: String
    package let options: [String: String]

    package init(name: String, options: [String: String]) {
        self.name = name
        self.options = options
    }
}

/// Removes a volume, as an engine does; one that does not exist is an error here.
package struct RemoveVolume: ControlCall {
    package typealias Answer = Done

    package let name: String

    package init(name: String) { self.name = name }
}

/// Changes options of a volume; an empty value takes one away.
package struct SetVolume: ControlCall {
    package typealias Answer = Done

    package let name: String
    package let options: [String: String]

    package init(name: String, options: [String: String]) {
        self.name = name
        self.options = options
    }
}

/// Gives a volume another name.
package struct RenameVolume: ControlCall {
    package typealias Answer = Done

    package let name: String
    package let newName: String

    package init(name: String, newName: String) {
        self.name = name
        self.newName = newName
    }
}

/// Lets a volume hold more or less.
package struct ResizeVolume: ControlCall {
    package struct Answer: Codable, Hashable, Sendable {
        /// As it was understood, in the spelling that records have.
        package let size: String
    }

    package let name: String
    package let size: String

    package init(name: String, size: String) {
        self.name = name
        self.size = size
    }
}

/// The answer to ``ListVolumes``.
package struct VolumeList: Codable, Sendable {
    package let volumes: [VolumeDetails]
}

/// What the control socket tells of a volume.
package struct VolumeDetails: Codable, Hashable, Sendable {
    /// Who holds it, by one mount ID.
    package struct Holder: Codable, Hashable, Sendable {
        package let id: String
        /// How many Mounts with the ID were not taken back.
        package let count: Int
        /// The process ID of the engine that asked; nil where that is not known.
        package let engine: Int?
    }

    package let name: String
    /// Nil for a volume that cannot be served.
    package let driver: String?
    /// With secrets as `***`.
    package let options: [String: String]
    /// Where its data is while it is mounted.
    package let mountpoint: String?
    package let createdAt: Date?
    /// The further name of the daemon by which it was created; nil for the daemon's own.
    package let plugin: String?
    /// What becomes of its data when it is removed.
    package let onRemove: String?
    package let isProtected: Bool
    package let holders: [Holder]
    /// The other hosts that have it mounted; nil where that was not asked for.
    package let hosts: [String]?
    /// Why it cannot be served, or could not be mounted the last time.
    package let trouble: String?
    /// What its owner had better change.
    package let warning: String?

    private enum CodingKeys: String, CodingKey {
        case name, driver, options, mountpoint, createdAt, plugin, onRemove, holders, hosts, trouble, warning
        case isProtected = "protected"
    }

    init(_ description: VolumeDescription, hosts: [PoolHost]? = nil) {
        let volume = description.volume
        name = description.name.description
        driver = volume?.driver
        options = volume?.options.values ?? [:]
        mountpoint = description.mountpoint?.string
        createdAt = volume?.createdAt
        plugin = volume?.plugin
        onRemove = volume == nil ? nil : description.removalPolicy.rawValue
        isProtected = volume?.options.isProtected ?? false
        holders = description.holders.byID.sorted { $0.key < $1.key }.map { id, holder in
            Holder(id: id, count: holder.count, engine: holder.engine.map { Int($0.processID) })
        }
        self.hosts = hosts.map { hosts in hosts.map(\.name).sorted() }
        trouble = description.trouble
        warning = description.warning
    }

    /// How many Mounts were not taken back.
    package var mountCount: Int { holders.reduce(0) { $0 + $1.count } }
}
