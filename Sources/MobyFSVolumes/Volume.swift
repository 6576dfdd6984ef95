// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// A volume: what was asked for, and what its driver has to remember.
package struct Volume: Hashable, Sendable {
    package private(set) var name: VolumeName
    /// The name of its driver.
    package var driver: String
    package var options: VolumeOptions
    package var createdAt: Date
    /// What the driver said when it created the volume, for its own use.
    package var state: [String: String]
    /// The further name of the daemon by which it was created; nil for the daemon's own.
    package var plugin: String?
    /// Whether it took up data that an earlier volume of this name had left.
    package var isAdopted = false
    /// The size it was created with, if it was resized.
    package var createdSize: ByteSize?
    /// What a restore is about to put in the place of its content; only in its record, until that is done.
    var pendingRestore: PendingRestore?
    /// Set when the volume was removed and its data kept for a later volume of this name.
    package var removedAt: Date?

    package init(
        name: VolumeName, driver: String, options: VolumeOptions, createdAt: Date = .now,
        state: [String: String] = [:]
    ) {
        self.name = name
        self.driver = driver
        self.options = options
        self.createdAt = createdAt
        self.state = state
    }

    /// The same volume under another name.
    func named(_ name: VolumeName) -> Volume {
        var volume = self
        volume.name = name
        return volume
    }

    /// What becomes of the data on Remove.
    ///
    /// Data that somebody wanted to be kept once is not deleted because a later volume did not say so again.
    package var removalPolicy: RemovalPolicy {
        options.removalPolicy ?? (isAdopted ? .keep : .delete)
    }

    /// What its owner had better change, for people.
    package var warning: String? {
        guard options.values.values.contains(Secret.placeholder) else { return nil }
        return
            "a password was given as an option, which 'docker volume inspect', compose files and the engine's database show: "
            + "put it into a file and give credentials=FILE"
    }
}
