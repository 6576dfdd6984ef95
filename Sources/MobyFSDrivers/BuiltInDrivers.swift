// SPDX-License-Identifier: Apache-2.0

package import MobyFSVolumes
package import SystemPackage

/// The drivers that come with mobyfs, a folder each.
package enum BuiltInDrivers {
    /// Makes all of them, the default first.
    ///
    /// - Parameters:
    ///   - reserved: The daemon's own directories, which no volume may reach into.
    ///   - seesHost: Whether the daemon's root is the host's; else it is a managed plugin's, which has no capability to take
    ///     subvolumes apart.
    /// - Returns: Each once.
    package static func all(reserved: [FilePath], seesHost: Bool = true) -> [any VolumeDriver] {
        var drivers: [any VolumeDriver] = [DirectoryDriver(reserved: reserved, seesHost: seesHost)]
        if seesHost { drivers.append(BtrfsDriver()) }
        return drivers + [ImageDriver(), TmpfsDriver(), MountDriver(reserved: reserved, seesHost: seesHost)]
    }
}
