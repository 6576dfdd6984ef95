// SPDX-License-Identifier: Apache-2.0

package import MobyFSVolumes
package import SystemPackage

/// A driver on storage that suits it, and what it promises there: what the conformance suite needs to know.
package struct DriverFixture: Sendable {
    /// When a driver has something mounted.
    package enum Mounting: Sendable {
        case never, whileHeld
        /// From the first Mount on: its data is nowhere else.
        case untilRemoved
    }

    /// What `size=` means.
    package enum Sizes: Sendable {
        /// Create says no.
        case refused
        /// The kernel holds writers to it; the sizes are ones that a volume can have, the second at least twice the first.
        case enforced(small: String, large: String, shrinks: Bool)
    }

    package let name: String
    /// What this machine lacks for it, in words; nil when it has all.
    package let lack: String?
    package let mounting: Mounting
    package let sizes: Sizes
    /// Whether the data is in the pool, so that Remove deletes it or keeps it there; else it is where it was before.
    package let isInPool: Bool
    /// Whether the data is there after a reboot.
    package let isLasting: Bool
    /// Makes the storage, in an empty directory.
    let prepare: @Sendable (FilePath) async throws -> DriverGround

    package init(
        _ name: String, lack: String? = nil, mounting: Mounting = .whileHeld, sizes: Sizes = .refused,
        isInPool: Bool = true, isLasting: Bool = true,
        prepare: @escaping @Sendable (FilePath) async throws -> DriverGround
    ) {
        self.name = name
        self.lack = lack
        self.mounting = mounting
        self.sizes = sizes
        self.isInPool = isInPool
        self.isLasting = isLasting
        self.prepare = prepare
    }
}

/// The storage that a fixture has made.
package struct DriverGround: Sendable {
    /// Values as a new process would make them, the driver in question first.
    let makeDrivers: @Sendable (_ pool: FilePath) -> [any VolumeDriver]
    /// What a user gives to create a volume of this name; makes what the options speak of.
    let options: @Sendable (_ volume: String) async throws -> [String: String]
    let tearDown: @Sendable () async throws -> Void

    package init(
        drivers: @escaping @Sendable (FilePath) -> [any VolumeDriver],
        options: @escaping @Sendable (String) async throws -> [String: String],
        tearDown: @escaping @Sendable () async throws -> Void = {}
    ) {
        makeDrivers = drivers
        self.options = options
        self.tearDown = tearDown
    }
}
