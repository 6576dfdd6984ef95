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
    /// The name of the driver.
    let driver: String
    /// What this machine lacks for it, in words; nil when it has all.
    package let lack: String?
    package let mounting: Mounting
    package let sizes: Sizes
    /// Whether the data is the volume's own, so that Remove deletes or keeps it; else it is where it was before.
    package let ownsData: Bool
    /// Whether a server has the data; what is mounted is not looked into again then, for the server may be gone.
    package let isRemote: Bool
    /// Whether the data is there after a reboot.
    package let isLasting: Bool
    /// Why volumes in use do not grow on this machine, if so.
    package let obstacleToGrowth: String?
    /// Makes the storage, in an empty directory.
    let prepare: @Sendable (FilePath) async throws -> DriverGround

    package init(
        _ driver: String, with storage: String? = nil, lack: String? = nil, mounting: Mounting = .whileHeld,
        sizes: Sizes = .refused,
        ownsData: Bool = true, isRemote: Bool = false, isLasting: Bool = true,
        obstacleToGrowth: String? = nil,
        prepare: @escaping @Sendable (FilePath) async throws -> DriverGround
    ) {
        self.driver = driver
        name = storage.map { "\(driver) with \($0)" } ?? driver
        self.lack = lack
        self.mounting = mounting
        self.sizes = sizes
        self.ownsData = ownsData
        self.isRemote = isRemote
        self.isLasting = isLasting
        self.obstacleToGrowth = obstacleToGrowth
        self.prepare = prepare
    }
}

/// The storage that a fixture has made.
package struct DriverGround: Sendable {
    /// The daemon's drivers, as a new process would make them.
    let makeDrivers: @Sendable (_ pool: FilePath) -> [any VolumeDriver]
    /// What a user gives to create a volume of this name; makes what the options speak of.
    let options: @Sendable (_ volume: String) async throws -> [String: String]
    /// What volumes may leave behind in the storage itself.
    let leftovers: @Sendable () async throws -> Set<String>
    let tearDown: @Sendable () async throws -> Void

    package init(
        drivers: @escaping @Sendable (FilePath) -> [any VolumeDriver],
        options: @escaping @Sendable (String) async throws -> [String: String],
        leftovers: @escaping @Sendable () async throws -> Set<String> = { [] },
        tearDown: @escaping @Sendable () async throws -> Void = {}
    ) {
        makeDrivers = drivers
        self.options = options
        self.leftovers = leftovers
        self.tearDown = tearDown
    }
}
