// SPDX-License-Identifier: Apache-2.0

package import Logging
package import MobyFSHost
package import SystemPackage

/// What the host lends a driver for one call.
package struct DriverContext: Sendable {
    /// The volume's own directory: absolute, kept across restarts.
    ///
    /// While a volume is being created it has
    /// another path, so a driver keeps no path that is below it.
    package let root: FilePath
    /// Where a driver mounts what the volume is in.
    ///
    /// Absolute, below the runtime directory, and the same for as long as the volume exists. The driver makes the directory, with ``Mountpoint``, and removes it.
    package var mounts: FilePath { makeMounts() }
    /// The values of options that are secret, and of passwords in `o=`, by name.
    package let secrets: [String: Secret]
    /// When the call is to be over: the engine waits little longer.
    ///
    /// Helper programs are ended then, and the call throws.
    package let deadline: ContinuousClock.Instant
    /// Carries `volume.name` and `driver.name` already.
    package var logger: Logger { makeLogger() }
    // Either takes longer to make than most calls that do without.
    private let makeMounts: @Sendable () -> FilePath
    private let makeLogger: @Sendable () -> Logger

    package init(
        root: FilePath, mounts: @autoclosure @escaping @Sendable () -> FilePath, secrets: [String: Secret] = [:],
        deadline: ContinuousClock.Instant, logger: @autoclosure @escaping @Sendable () -> Logger
    ) {
        self.root = root
        makeMounts = mounts
        self.secrets = secrets
        self.deadline = deadline
        makeLogger = logger
    }
}

/// Whether a driver holds volumes to their size.
package enum SizeSupport: Hashable, Sendable {
    /// Who writes more gets ENOSPC or EDQUOT.
    case enforced
    /// It does not, and why: lower case, no full stop.
    case unsupported(String)
}

/// A kind of storage.
///
/// A driver keeps no table of volumes and counts no mounts: the manager does, and lets one call at a time
/// happen to a volume. Every call may come twice, and undoes its own half-done work before it throws.
package protocol VolumeDriver: Sendable {
    /// Constant for the life of the driver.
    var info: DriverInfo { get }

    /// Rewrites what users of other plugins write into the driver's own options, before they are checked.
    func translate(_ given: inout [String: String]) throws(VolumeError)

    /// Checks what the table of options cannot say; touches no disk.
    func check(_ options: VolumeOptions) throws(VolumeError)

    /// Says what this host lacks for the driver. Blocks.
    ///
    /// - Parameter pool: The folder that the volumes' own directories are in.
    /// - Returns: For each thing what is missing and what to do about it.
    func lacks(pool: FilePath) -> [String]

    /// Whether a volume with these options is held to its size here. Blocks.
    func sizeSupport(_ options: VolumeOptions, pool: FilePath) -> SizeSupport

    /// Whether it is the best driver for volumes in this pool that ask for nothing special. Blocks.
    func suits(pool: FilePath) -> Bool

    /// Where a volume's data is while it is mounted. Answered from memory.
    func mountpoint(of volume: Volume, in context: DriverContext) -> FilePath

    /// Whether a volume's data is in the volume's own directory, where it is removed and kept with it.
    func keepsDataInside(_ volume: Volume) -> Bool

    /// Whether several hosts may have a volume mounted at the same time, each seeing what the others write.
    func allowsManyHosts(_ volume: Volume) -> Bool

    /// What the mounts of a volume's own file system have in common, wherever they are, when it is not mounted at
    /// ``DriverContext/mounts``; nil if it has none, or the kernel certainly does not have it. Blocks.
    func source(of volume: Volume, in context: DriverContext) throws -> MountSelection?

    /// The device by which the kernel has a volume's own file system, for as long as anybody has a file of it open; nil if it
    /// has none. Blocks.
    func attachedDevice(of volume: Volume, in context: DriverContext) throws -> FilePath?

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

    /// Takes back ``mount(_:in:)``; called when nobody holds the volume any more, and also where nothing is mounted.
    ///
    /// - Throws: ``VolumeError`` with code `inUse` if some process is at work in it; it is called again later.
    func unmount(_ volume: Volume, in context: DriverContext) async throws

    /// Unmounts for good, before ``remove(_:in:)``; for drivers whose volumes stay mounted while nobody holds them.
    func release(_ volume: Volume, in context: DriverContext) async throws

    /// Whether a program of this host serves a volume's file system, without which it is of no use.
    func needsProgram(_ volume: Volume) -> Bool

    /// What is wrong with a held volume that needs a program; nil if nothing is seen to be. `served` are the mountpoints of
    /// `FUSEConnection.servedMountpoints()`.
    func troubleInUse(with volume: Volume, in context: DriverContext, served: Set<FilePath>) async -> String?

    /// Whether a held volume is not held to its size just now, as somebody has taken its limit away. Blocks.
    ///
    /// - Throws: ``SystemCallError`` if that cannot be seen.
    func lacksLimit(_ volume: Volume, in context: DriverContext) throws -> Bool

    /// Holds a volume to its size again that ``lacksLimit(_:in:)``. Blocks.
    ///
    /// - Throws: ``VolumeError`` or ``SystemCallError`` if it cannot be.
    func renewLimit(of volume: Volume, in context: DriverContext) throws

    /// Says how full a volume is, where that is counted. Blocks.
    ///
    /// - Returns: Nil where its own file system, if one is mounted, or else each of its files has to be asked.
    func usage(of volume: Volume, in context: DriverContext) throws -> VolumeUsage?

    /// What of a volume's own storage is not where it belongs; nil if all is, or it is not in the pool. Blocks.
    func missing(of volume: Volume, in context: DriverContext) -> FilePath?

    /// What is wrong with a volume's own storage, as far as a glance tells; nil if nothing is, or it is not in the pool. Blocks.
    func damage(to volume: Volume, in context: DriverContext) throws -> StorageDamage?

    /// What a record has to say so that the data in a volume's directory can be used; nil if there is none of this driver's.
    ///
    /// For volumes whose records are lost. Blocks.
    func recognized(in directory: FilePath) -> RecognizedVolume?

    /// Why a volume that is not mounted cannot have another name; nil if it can.
    func obstacleToRenaming(_ volume: Volume, in context: DriverContext) -> String?

    /// Why a copy of a volume's files would not have all of them; nil if it would. Blocks.
    func obstacleToCopying(_ volume: Volume, in context: DriverContext) throws -> String?

    /// Takes apart what only the driver can in a directory that is about to be deleted: subvolumes, quotas.
    ///
    /// The directory is a removed or a half-made volume of any driver. May be called again after a crash. Blocks.
    func purge(_ directory: FilePath) throws
}

extension VolumeDriver {
    package func translate(_ given: inout [String: String]) throws(VolumeError) {}
    package func check(_ options: VolumeOptions) throws(VolumeError) {}
    package func lacks(pool: FilePath) -> [String] { [] }
    package func sizeSupport(_ options: VolumeOptions, pool: FilePath) -> SizeSupport {
        .unsupported("it has no way to")
    }
    package func suits(pool: FilePath) -> Bool { false }
    package func allowsManyHosts(_ volume: Volume) -> Bool { false }
    package func source(of volume: Volume, in context: DriverContext) throws -> MountSelection? { nil }
    package func attachedDevice(of volume: Volume, in context: DriverContext) throws -> FilePath? { nil }
    package func release(_ volume: Volume, in context: DriverContext) async throws {
        try await unmount(volume, in: context)
    }
    package func purge(_ directory: FilePath) throws {}
    package func needsProgram(_ volume: Volume) -> Bool { false }
    package func troubleInUse(
        with volume: Volume, in context: DriverContext, served: Set<FilePath>
    ) async -> String? { nil }
    package func lacksLimit(_ volume: Volume, in context: DriverContext) throws -> Bool { false }
    package func renewLimit(of volume: Volume, in context: DriverContext) throws {}
    package func usage(of volume: Volume, in context: DriverContext) throws -> VolumeUsage? { nil }
    package func obstacleToCopying(_ volume: Volume, in context: DriverContext) throws -> String? { nil }
    package func missing(of volume: Volume, in context: DriverContext) -> FilePath? { nil }
    package func damage(to volume: Volume, in context: DriverContext) throws -> StorageDamage? { nil }
    package func recognized(in directory: FilePath) -> RecognizedVolume? { nil }
    package func obstacleToRenaming(_ volume: Volume, in context: DriverContext) -> String? { nil }
}

/// What can be told of a volume from its data alone.
package struct RecognizedVolume: Hashable, Sendable {
    package let options: [String: String]
    /// As of ``Volume/state``.
    package let state: [String: String]

    package init(options: [String: String] = [:], state: [String: String] = [:]) {
        self.options = options
        self.state = state
    }
}

/// What is wrong with a volume's storage.
package struct StorageDamage: Hashable, Sendable {
    /// Lower case, no full stop.
    package let reason: String
    /// What somebody can do about it, in the imperative.
    package let advice: String

    package init(_ reason: String, advice: String) {
        self.reason = reason
        self.advice = advice
    }
}

/// A driver that can change the size of a volume.
package protocol ResizableDriver: VolumeDriver {
    /// Lets a volume hold more or less, also while it is mounted.
    ///
    /// - Returns: The new ``Volume/state``.
    /// - Throws: ``VolumeError``; the volume has the size it had.
    func resize(_ volume: Volume, to size: ByteSize, in context: DriverContext) async throws -> [String: String]
}

/// A driver whose volumes can be copied where they are: to snapshots and back, and to other volumes.
package protocol SnapshotDriver: VolumeDriver {
    /// The name, in a volume's own directory, of what its data is in.
    var contentName: String { get }

    /// Whether another volume of this driver, with its own options, can take up a copy of what the data is in. Blocks.
    ///
    /// Where it cannot, it begins empty, and the files are copied.
    ///
    /// - Parameters:
    ///   - content: What the data of a volume, or of a snapshot of one, is in.
    ///   - source: That volume, as it is or was then.
    ///   - copy: The other volume, as it is asked for.
    /// - Returns: Whether ``create(_:in:)`` will make the other volume of the copy.
    /// - Throws: ``SystemCallError`` or ``VolumeError`` if the content cannot be looked at.
    func canTakeUp(_ content: FilePath, of source: Volume, as copy: Volume) throws -> Bool

    /// Copies what the data of a volume, or of a snapshot of one, is in, as it is at one moment.
    ///
    /// - Parameters:
    ///   - volume: The volume.
    ///   - source: Its content, or that of a snapshot.
    ///   - copy: Where the copy is to be: in the same pool, and nothing is there yet. Half of one may stay after an error.
    ///   - purpose: What it is for.
    ///   - isInUse: Whether somebody may be writing to the source.
    ///   - context: Of the volume.
    /// - Throws: ``VolumeError``, with code `inUse` where a copy of what is being written would be of no use.
    func copyContent(
        of volume: Volume, from source: FilePath, to copy: FilePath, for purpose: CopyPurpose, isInUse: Bool,
        in context: DriverContext) async throws

    /// What of a volume's ``Volume/state`` holds for a copy of its content too.
    func stateOfCopy(of volume: Volume) -> [String: String]
}

extension SnapshotDriver {
    package func canTakeUp(_ content: FilePath, of source: Volume, as copy: Volume) throws -> Bool { true }
    package func stateOfCopy(of volume: Volume) -> [String: String] { volume.state }
}

/// What the content of a volume is copied for.
package enum CopyPurpose: Sendable {
    /// To be kept, and changed by nobody.
    case snapshot
    /// To take the place of the volume's own content.
    case restore
    /// To be another volume's, beside this one.
    case clone
}
