// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSVolumes
import SystemPackage

/// Owner, group and mode of the directory that a container sees as the volume.
enum RootAttributes {
    /// Gives the directory what the volume's options ask for; what they do not ask for stays.
    ///
    /// To be called for each Mount: image seeding may have given an empty volume the image's owner in place of the
    /// one asked for. Blocks.
    static func apply(_ options: VolumeOptions, to path: FilePath) throws {
        guard areGiven(by: options) else { return }
        try Directories.set(owner: options.owner, group: options.group, mode: options.mode, of: path)
    }

    /// The same for a directory that is open for reading.
    static func apply(_ options: VolumeOptions, to descriptor: CInt, named path: FilePath) throws {
        guard areGiven(by: options) else { return }
        try Directories.set(
            owner: options.owner, group: options.group, mode: options.mode, of: descriptor, named: path)
    }

    /// Whether the options ask for any of it.
    static func areGiven(by options: VolumeOptions) -> Bool {
        options.owner != nil || options.group != nil || options.mode != nil
    }
}
