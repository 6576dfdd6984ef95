// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import MobyFSVolumes
import SystemPackage

// The size that a volume has is the one in its record. A crash can leave an image of another size:
//
// - To grow, first the record is written, then the image grows: the image can be smaller than the record says.
// - To shrink, first the image shrinks: so it can be then as well.
// - A resize that failed gets its old record back, and may have had no chance to cut off its image.
//
// Mount sees to it that both agree again, and so does a copy, which mounts it for that. Where that fails the volume is
// mounted as it is, for its data is whole.
extension ImageVolume {
    /// The size that the record asks for.
    var recordedBytes: UInt64? { volume.options.size.map(Self.imageBytes) }

    /// Whether the record, the image and its file system may differ in size.
    ///
    /// Blocks.
    var isUnsettled: Bool {
        get throws { try marker.isThere || draft.isThere || image.bytes != (recordedBytes ?? image.bytes) }
    }

    /// The file system on a device that it is mounted from.
    func mounted(from device: LoopDevice) -> MountedFileSystem {
        MountedFileSystem(type: fileSystem.rawValue, at: mountpoint.path, from: device.path)
    }

    /// The same volume, with half of the time that is left, so that the other half is there to mount it in any case.
    func withHalfTheTime() -> ImageVolume {
        var copy = self
        copy.deadline = .now + (deadline - .now) / 2
        return copy
    }

    /// Lets an ext4 that is not mounted grow to the size in its record where it could not once it is.
    func settleUnmounted() async {
        guard fileSystem == .ext4, let recordedBytes else { return }
        do {
            let isToGrow = try await BlockingWork.run {
                try isUnsettled && !fileSystem.canGrowMounted && mountedDevice() == nil
                    && (image.bytes < recordedBytes || (image.bytes == recordedBytes && marker.isThere))
            }
            if isToGrow { try await resizeCopy(to: recordedBytes, isLarger: true) }
        } catch {
            warn(error)
        }
    }

    /// Ends what a crash has cut off, before the image is copied.
    func settleBeforeCopy() async throws {
        guard await BlockingWork.run({ marker.isThere }) else { return }
        // Whoever has it mounted since before the crash will not mount it again.
        if let device = try await BlockingWork.run({ try mountedDevice() }) {
            return await withHalfTheTime().settle(on: device)
        }
        try await mount()
        try await BlockingWork.run { try unmountOwn() }
    }

    /// Why an ext4 cannot grow while it is mounted, where it cannot.
    static let growthObstacle = "mobyfs lacks the capability CAP_SYS_RESOURCE, without which ext4 grows only unmounted"

    /// Lets a mounted volume have the size in its record, and ends what a crash has cut off.
    func settle(on device: LoopDevice) async {
        do {
            guard let recordedBytes, try await BlockingWork.run({ try isUnsettled }) else { return }
            let bytes = try await BlockingWork.run { try image.bytes }
            if bytes < recordedBytes {
                guard await BlockingWork.run({ fileSystem.canGrowMounted }) else {
                    throw VolumeError(
                        .inUse,
                        "\(Self.growthObstacle): stop the containers that use the volume, and start them again")
                }
                try await grow(from: bytes, to: recordedBytes, mounted: device)
            } else if bytes > recordedBytes {
                try await comeDown(to: recordedBytes, on: device)
            } else {
                try await takeAll(on: device)
            }
        } catch {
            warn(error)
        }
    }

    private func warn(_ error: any Error) {
        logger.warning(
            "a volume does not have the size in its record yet; its next Mount tries again",
            metadata: ["error": "\(error)"])
    }

    /// Lets the file system take all of its image if a resize was cut off.
    func takeAll(on device: LoopDevice) async throws {
        if await BlockingWork.run({ marker.isThere }) {
            try await BlockingWork.run { try device.refreshSize() }
            try await fileSystem.grow(on: device, at: mountpoint.path, until: deadline)
        }
        try await BlockingWork.run { try endResize() }
    }

    /// Cuts off what the image has beyond its record, unless the file system reaches there and cannot be made smaller.
    private func comeDown(to target: UInt64, on device: LoopDevice) async throws {
        let mounted = mounted(from: device)
        let (taken, used) = try await BlockingWork.run { (try mounted.bytes, try mounted.usedBytes) }
        if taken > target {
            // Not where it would move much about at each Mount, to find in the end that there is no room.
            let hasRoom = used < target / 8 * 7 && target >= fileSystem.resizeMinimum.bytes
            guard fileSystem == .btrfs, hasRoom else { return try await stayLarger(on: device) }
            try await BlockingWork.run { try beginResize() }
            do {
                try await shrinkBtrfs(to: target)
            } catch {
                return try await stayLarger(on: device, error)
            }
        }
        try await BlockingWork.run {
            try beginResize()
            try cut(to: target, on: device)
        }
        try await takeAll(on: device)
    }

    private func stayLarger(on device: LoopDevice, _ error: (any Error)? = nil) async throws {
        try await takeAll(on: device)
        let (bytes, recorded) = try await BlockingWork.run { (try image.bytes, recordedBytes ?? 0) }
        var metadata: Logger.Metadata = [
            "volume.size": "\(ByteSize(bytes: recorded))", "image.size": "\(ByteSize(bytes: bytes))",
        ]
        if let error { metadata["error"] = "\(error)" }
        logger.warning(
            "a volume holds more than its record says, and cannot be made smaller: resize it to the size of its image",
            metadata: metadata)
    }

    /// Cuts off what the image has beyond its file system.
    ///
    /// Blocks.
    func cut(to bytes: UInt64, on device: LoopDevice) throws {
        guard try image.bytes > bytes else { return try device.refreshSize() }
        let mounted = mounted(from: device)
        try mounted.forgetGrowth()
        let taken = try mounted.bytes
        guard taken <= bytes else {
            throw VolumeError(
                .io,
                "the file system of volume '\(name)' takes \(ByteSize(bytes: taken)) of its image: nothing is cut off")
        }
        try image.shrink(to: bytes)
        try device.refreshSize()
    }
}
