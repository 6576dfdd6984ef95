// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import MobyFSVolumes
import SystemPackage

// What a crash on the way leaves mounts with all its data, for at no time is a file system larger than its image:
//
// - To grow, first the image grows, then the file system, while it is mounted: the kernel's journal makes that safe.
// - To shrink btrfs, first the file system shrinks, then the image.
// - ext4 shrinks only while it is not mounted, and blocks are moved about in ways that a power cut would ruin. So a
//   copy of the image shrinks, which takes the image's name when it is whole and on the disk. It grows so as well
//   where the kernel does not let this process grow it while it is mounted.
//
// For the first two a marker is there from before the first step until after the last. Where the next Mount finds it,
// it lets the file system take all of its image, whatever size that has: so a resize that was cut off either came about
// or did not.
extension ImageVolume {
    /// Gives the volume another size, whether it is mounted or not.
    func resize(to size: ByteSize) async throws {
        let target = imageBytes(size)
        do {
            let (bytes, mounted, isUnfinished) = try await BlockingWork.run {
                (try image.bytes, try mountedDevice(), marker.isThere)
            }
            guard target != bytes || isUnfinished else { return }
            guard target >= fileSystem.resizeMinimum.bytes else {
                throw VolumeError(
                    .invalidArgument,
                    "volume '\(name)' cannot be resized to \(size): the minimum for that with fs=\(fileSystem) is "
                        + "\(fileSystem.resizeMinimum)")
            }
            try await requirePrograms()
            if target >= bytes, await BlockingWork.run({ fileSystem.canGrowMounted }) {
                try await grow(from: bytes, to: target, mounted: mounted)
            } else {
                switch fileSystem {
                case .xfs: throw cannotShrink("xfs cannot; \(Self.wayOut)")
                case .ext4: try await resizeCopy(to: target, isLarger: target >= bytes)
                case .btrfs: try await shrinkMounted(to: target, mounted: mounted)
                }
            }
        } catch {
            throw explained(error) ?? failure("resize", error)
        }
    }

    /// Throws before anything is changed if a program is missing.
    private func requirePrograms() async throws {
        let programs = [fileSystem.resizer] + (fileSystem == .ext4 ? [ImageFileSystem.checker] : [])
        let missing = await BlockingWork.run { programs.first { $0.locate() == nil } }
        guard let missing else { return }
        throw HelperError(program: missing.name, package: missing.package, reason: .missing)
    }

    /// Ends what a crash has cut off, if so; the volume can be used if that fails, and the next Mount tries again.
    func finishResize(on device: LoopDevice) async {
        guard await BlockingWork.run({ marker.isThere || draft.isThere }) else { return }
        do {
            if await BlockingWork.run({ marker.isThere }) {
                try await BlockingWork.run { try device.refreshSize() }
                try await fileSystem.grow(on: device, at: mountpoint.path, until: deadline)
            }
            try await BlockingWork.run { try endResize() }
        } catch {
            logger.warning("a resize that was cut off is not finished yet", metadata: ["error": "\(error)"])
        }
    }

    // MARK: - Growing

    private func grow(from old: UInt64, to target: UInt64, mounted: LoopDevice?) async throws {
        let device = try await BlockingWork.run {
            let wasUnfinished = marker.isThere
            try beginResize()
            do {
                try image.grow(to: target, isAllocated: !isSparse, until: deadline)
                if let mounted { try mounted.refreshSize() }
                return try mounted ?? mountIfNeeded()
            } catch {
                // The file system has not grown: the image may be cut off again.
                try image.shrink(to: old)
                if let mounted { try mounted.refreshSize() }
                if !wasUnfinished { try endResize() }
                throw error
            }
        }
        try await unmounting(unless: mounted != nil) {
            do {
                try await fileSystem.grow(on: device, at: mountpoint.path, until: deadline)
            } catch {
                throw VolumeError(
                    .io,
                    "volume '\(name)' has more room now, but its file system does not take it yet; its next Mount or resize "
                        + "tries again", cause: error)
            }
            try await BlockingWork.run {
                if !isSparse { try image.fillHoles() }
                try endResize()
            }
        }
    }

    // MARK: - Shrinking

    private static let wayOut = "create a smaller volume and copy the data into it"

    private func cannotShrink(_ reason: String, _ cause: (any Error)? = nil) -> VolumeError {
        VolumeError(.invalidArgument, "volume '\(name)' cannot be made smaller: \(reason)", cause: cause)
    }

    private func shrinkMounted(to target: UInt64, mounted: LoopDevice?) async throws {
        let device = try await BlockingWork.run {
            try beginResize()
            return try mounted ?? mountIfNeeded()
        }
        try await unmounting(unless: mounted != nil) {
            do {
                try await fileSystem.resizer.run(
                    ["filesystem", "resize", "\(target)", mountpoint.path.string], until: deadline)
            } catch {
                // It has the size it had, or nearly so if the program was killed.
                await finishResize(on: device)
                throw cannotShrink("its data may need the space; delete some, or \(Self.wayOut)", error)
            }
            try await BlockingWork.run {
                try image.shrink(to: target)
                try device.refreshSize()
                try endResize()
            }
        }
    }

    // MARK: - Another image

    private func resizeCopy(to target: UInt64, isLarger: Bool) async throws {
        try await BlockingWork.run { try makeDraft(isLarger: isLarger) }
        do {
            // With the journal replayed and all counts right, as resize2fs wants it.
            try await check(draft)
            if isLarger {
                try await BlockingWork.run { try draft.grow(to: target, isAllocated: !isSparse, until: deadline) }
            }
            do {
                try await fileSystem.resizer.run(
                    [draft.path.string, "\(target / ImageFileSystem.blockBytes)"], until: deadline)
            } catch let error as HelperError where !isLarger {
                throw cannotShrink("its data may need the space; delete some, or \(Self.wayOut)", error)
            }
            try await BlockingWork.run {
                try draft.shrink(to: target)
                if !isSparse { try draft.fillHoles() }
                try draft.sync()
                try DurableFile.rename(draft.path, to: image.path)
                try endResize()
            }
        } catch {
            await BlockingWork.run { discardDraft() }
            throw error
        }
    }

    private func makeDraft(isLarger: Bool) throws {
        if let device = try LoopDevice.attached(to: FileID(of: image.path)) {
            let reason =
                isLarger
                ? "mobyfs lacks the capability CAP_SYS_RESOURCE, without which ext4 grows only unmounted"
                : "ext4 shrinks only unmounted"
            throw VolumeError(
                .inUse,
                "volume '\(name)' cannot be resized while it is mounted (from '\(device.path)'), for \(reason): stop the "
                    + "containers that use it")
        }
        if draft.isThere { try Files.unlink(draft.path) }
        do {
            try draft.copy(image, isInPlace: !isSparse, until: deadline)
        } catch let error as SystemCallError where error.errno == .noSpace {
            throw VolumeError(
                .io,
                "volume '\(name)' cannot be resized: that needs as much free space in the pool as its data takes, for a "
                    + "while; make room", cause: error)
        }
    }

    private func check(_ image: SparseFile) async throws {
        do {
            try await ImageFileSystem.checker.run(["-f", "-p", image.path.string], until: deadline)
        } catch let error as HelperError where error.reason == .failed(status: 1) {
            // Small errors are corrected: e2fsck(8).
            return
        } catch let error as HelperError where error.reason != .missing {
            throw VolumeError(
                .io,
                "volume '\(name)' cannot be resized, for its file system seems to be damaged: save a copy of "
                    + "'\(self.image.path)', and run \"\(repair)\"", cause: error)
        }
    }

    private func discardDraft() {
        do {
            if draft.isThere { try Files.unlink(draft.path) }
        } catch {
            logger.warning("a half-made image stays for now", metadata: ["error": "\(error)"])
        }
    }

    // MARK: - Steps

    /// Runs `body`, and then unmounts what was mounted for it only.
    private func unmounting(unless wasMounted: Bool, _ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch {
            // The error that is reported is the first one.
            if !wasMounted { try? await BlockingWork.run { try unmount() } }
            throw error
        }
        if !wasMounted { try await BlockingWork.run { try unmount() } }
    }

    private func beginResize() throws {
        try DurableFile.write([], to: marker)
    }

    private func endResize() throws {
        for path in [draft.path, marker] where path.isThere { try Files.unlink(path) }
    }
}

extension FilePath {
    /// Whether there is a file.
    fileprivate var isThere: Bool { SparseFile(self).isThere }
}
