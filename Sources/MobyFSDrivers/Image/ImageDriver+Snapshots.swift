// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
package import MobyFSVolumes
package import SystemPackage

extension ImageDriver: SnapshotDriver {
    package var contentName: String { ImageVolume.imageName }

    /// Whether an image has the file system that is asked for, and is as large or can grow to be.
    package func canTakeUp(_ content: FilePath, of source: Volume, as copy: Volume) throws -> Bool {
        let fileSystem = ImageFileSystem(copy.options)
        guard fileSystem == ImageFileSystem(source.options),
            ImageVolume.isSparse(copy.options) == ImageVolume.isSparse(source.options), let size = copy.options.size
        else { return false }
        // One that a crash has left smaller than its record may grow before it is copied.
        let recorded = source.options.size.map(ImageVolume.imageBytes) ?? 0
        let (bytes, target) = (max(try SparseFile(content).bytes, recorded), ImageVolume.imageBytes(size))
        return target == bytes || (target > bytes && target >= fileSystem.resizeMinimum.bytes)
    }

    /// A copy of the image.
    ///
    /// Where the pool can share blocks it is made in a moment, and is what a power cut would leave.
    package func copyContent(
        of volume: Volume, from source: FilePath, to copy: FilePath, for purpose: CopyPurpose, isInUse: Bool,
        in context: DriverContext
    ) async throws {
        let image = ImageVolume(volume, context)
        let isLive = source == image.image.path
        if isLive { try await image.settleBeforeCopy() }
        try await BlockingWork.run {
            if isLive { try image.requireSettled() }
            let isMounted = try isLive && image.mountedDevice() != nil
            guard isMounted || !isLive || !isInUse else {
                throw VolumeError(
                    .inUse,
                    "volume '\(volume.name)' is in use, and unmounted at '\(image.mountpoint.path)', from where it would be made "
                        + "sure that all of it is written: stop whoever uses it first")
            }
            if isMounted { try Directories.syncFileSystem(of: image.mountpoint.path) }
            let (from, to) = (SparseFile(source), SparseFile(copy))
            // Sharing would take from one that has all its blocks what was promised to it.
            if image.isSparse, try to.share(from) { return try to.sync() }
            guard !isMounted else {
                throw VolumeError(
                    .inUse,
                    "volume '\(volume.name)' is in use, and "
                        + (image.isSparse
                            ? "the file system of the pool cannot copy its image in a moment, as xfs and btrfs can"
                            : "with sparse=false its image is copied bit by bit")
                        + ": stop the containers that use it first")
            }
            try to.copy(from, isInPlace: !image.isSparse, until: context.deadline)
            if !image.isSparse { try to.fillHoles() }
            try to.sync()
        }
        // The kernel mounts no two file systems of btrfs with one identity at the same time.
        if purpose == .clone, image.fileSystem == .btrfs {
            try await ImageFileSystem.identifier.runBesideLoopDevices(["-m", copy.string], until: context.deadline)
        }
    }
}
