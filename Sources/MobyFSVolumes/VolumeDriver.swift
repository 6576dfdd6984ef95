// SPDX-License-Identifier: Apache-2.0

package import Logging
package import SystemPackage

/// What a driver is, as data.
package struct DriverInfo: Hashable, Sendable {
    /// The name that `driver=` takes.
    package let name: String
    /// The storage, in one line.
    package let summary: String
    /// The options it has besides ``VolumeOptions/common``.
    package let options: [OptionInfo]

    package init(name: String, summary: String, options: [OptionInfo]) {
        self.name = name
        self.summary = summary
        self.options = options
    }
}

/// What the host lends a driver for one call.
package struct DriverContext: Sendable {
    /// The volume's own directory: absolute, kept across restarts.
    ///
    /// While a volume is being created it has
    /// another path, so a driver keeps no path that is below it.
    package let root: FilePath
    /// Carries `volume.name` and `driver.name` already.
    package let logger: Logger

    package init(root: FilePath, logger: Logger) {
        self.root = root
        self.logger = logger
    }
}

/// A kind of storage.
///
/// A driver keeps no table of volumes and counts no mounts: the manager does, and lets one call at a time
/// happen to a volume. Every call may come twice, and undoes its own half-done work before it throws.
package protocol VolumeDriver: Sendable {
    /// Constant for the life of the driver.
    var info: DriverInfo { get }

    /// Checks options beyond what the table says, and brings their values into one spelling.
    func check(_ options: VolumeOptions) throws(VolumeError)

    /// Where a volume's data is while it is mounted. Answered from memory.
    func mountpoint(of volume: Volume, in context: DriverContext) -> FilePath

    /// Whether a volume's data is in the volume's own directory, where it is removed and kept with it.
    func keepsDataInside(_ volume: Volume) -> Bool

    /// Makes the storage of a new volume.
    ///
    /// - Returns: What the driver wants to find in ``Volume/state`` later.
    func create(_ volume: Volume, in context: DriverContext) async throws -> [String: String]

    /// Takes back ``create(_:in:)``, but for what is in the volume's own directory: that is removed by the manager.
    func remove(_ volume: Volume, in context: DriverContext) async throws

    /// Makes sure that the volume's data is at ``mountpoint(of:in:)``, and is what was there before.
    ///
    /// Called for each Mount: the mount table decides whether there is something to do, not what was done before.
    func mount(_ volume: Volume, in context: DriverContext) async throws

    /// Takes back ``mount(_:in:)``; called when nobody holds the volume any more.
    func unmount(_ volume: Volume, in context: DriverContext) async throws
}
