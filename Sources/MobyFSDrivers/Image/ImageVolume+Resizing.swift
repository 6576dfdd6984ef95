// SPDX-License-Identifier: Apache-2.0

import Glibc
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
// it gives the image the size in the record, and lets the file system take all of it: so a resize that was cut off
// either comes about or did not.
extension ImageVolume {
    /// Gives the volume another size, whether it is mounted or not.
    func resize(to size: ByteSize) async throws {
        let target = Self.imageBytes(size)
        do {
            let mounted = try await BlockingWork.run { try mountedDevice() }
            try await settleBeforeResize(mounted)
            let (bytes, isUnfinished) = try await BlockingWork.run { (try image.bytes, marker.isThere) }
            guard target != bytes || isUnfinished else { return }
            guard target >= fileSystem.resizeMinimum.bytes else {
                throw VolumeError(
                    .invalidArgument,
                    "volume '\(name)' cannot be resized to \(size): the minimum for that with fs=\(fileSystem) is "
                        + "\(fileSystem.resizeMinimum)" + (target < bytes ? "; \(wayOut(to: target))" : ""))
            }
            try await requirePrograms()
            if target >= bytes, await BlockingWork.run({ fileSystem.canGrowMounted }) {
                try await grow(from: bytes, to: target, mounted: mounted)
            } else {
                switch fileSystem {
                case .xfs: throw cannotShrink("xfs cannot; \(wayOut(to: target))")
                case .ext4: try await resizeCopy(to: target, isLarger: target >= bytes)
                case .btrfs: try await shrinkMounted(to: target, mounted: mounted)
                }
            }
        } catch {
            throw await BlockingWork.run { lackOfSpace("resize", error, size) ?? explained(error) }
                ?? failure("resize", error)
        }
    }

    /// Puts right an image that is larger than its record or its file system, so that its size is a size to start from.
    private func settleBeforeResize(_ mounted: LoopDevice?) async throws {
        let isNeeded = try await BlockingWork.run {
            try marker.isThere || image.bytes > recordedBytes ?? image.bytes
        }
        guard isNeeded else { return }
        let device = try await BlockingWork.run { try mounted ?? mountIfNeeded() }
        try await unmounting(unless: mounted != nil) { await withHalfTheTime().settle(on: device) }
    }

    /// Throws before anything is changed if a program is missing.
    private func requirePrograms() async throws {
        let programs = [fileSystem.resizer] + (fileSystem == .ext4 ? [ImageFileSystem.checker] : [])
        let missing = await BlockingWork.run { programs.first { $0.locate() == nil } }
        guard let missing else { return }
        throw HelperError(program: missing.name, package: missing.package, reason: .missing)
    }

    // MARK: - Growing

    func grow(from old: UInt64, to target: UInt64, mounted: LoopDevice?) async throws {
        let device = try await BlockingWork.run { try mounted ?? mountIfNeeded() }
        try await unmounting(unless: mounted != nil) {
            let (wasUnfinished, before) = try await BlockingWork.run {
                (marker.isThere, try self.mounted(from: device).bytes)
            }
            do {
                try await BlockingWork.run {
                    try beginResize()
                    try image.grow(to: target, isAllocated: !isSparse, until: deadline)
                    try device.refreshSize()
                }
                try await fileSystem.grow(on: device, at: mountpoint.path, until: deadline)
            } catch {
                if try await BlockingWork.run({ try self.mounted(from: device).bytes > before }) {
                    // There is no way back, and the rest of the way is for the next Mount.
                    logger.warning("a volume has not all of its new size yet", metadata: ["error": "\(error)"])
                    return
                }
                await takeBack(to: old, on: device, wasUnfinished: wasUnfinished)
                throw VolumeError(
                    .io, "volume '\(name)' cannot be resized to \(ByteSize(bytes: target)) and has the size it had",
                    cause: error)
            }
            await BlockingWork.run {
                do {
                    if !isSparse { try image.fillHoles() }
                    try endResize()
                } catch {
                    logger.warning("a volume was resized, but not tidied up", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    /// Takes back what an image has grown by, where its file system has not.
    private func takeBack(to old: UInt64, on device: LoopDevice, wasUnfinished: Bool) async {
        await BlockingWork.run {
            do {
                try cut(to: old, on: device)
                if !wasUnfinished { try endResize() }
            } catch {
                logger.warning(
                    "an image stays larger until the next Mount of its volume", metadata: ["error": "\(error)"])
            }
        }
    }

    // MARK: - Shrinking

    private func wayOut(to target: UInt64) -> String {
        "'mobyfs volume clone -o size=\(ByteSize(bytes: target).normal) \(name) OTHER' makes a copy of that size"
    }

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
                try await shrinkBtrfs(to: target)
            } catch {
                // It has the size it had, or nearly so if the program was killed; the next Mount tries that again.
                try? await takeAll(on: device)
                throw cannotShrink("its data may need the space; delete some, or \(wayOut(to: target))", error)
            }
            try await BlockingWork.run {
                try image.shrink(to: target)
                try device.refreshSize()
                try endResize()
            }
        }
    }

    func shrinkBtrfs(to target: UInt64) async throws {
        let arguments = ["filesystem", "resize", "\(target)", mountpoint.path.string]
        // What was deleted a moment ago still has its place: the kernel's cleaner gives empty block groups back, and starts
        // when it is asked to sync.
        for _ in 0..<8 {
            do {
                try await fileSystem.resizer.run(arguments, until: deadline)
                return
            } catch let error as HelperError where error.lines.contains(where: { $0.contains("No space left") }) {
                try await fileSystem.resizer.run(["filesystem", "sync", mountpoint.path.string], until: deadline)
                await BlockingWork.run { _ = usleep(250_000) }
            }
        }
        try await fileSystem.resizer.run(arguments, until: deadline)
    }

    // MARK: - Another image

    /// How small resize2fs says that it can make a file system: it counts in blocks, and tells nobody of what size.
    private static func minimum(said error: HelperError) -> ByteSize? {
        guard let text = error.lines.last(where: { $0.contains("smaller than minimum") }),
            let blocks = text.split(whereSeparator: { !$0.isNumber }).last.flatMap({ UInt64($0) }),
            case let (bytes, isMore) = blocks.multipliedReportingOverflow(by: ImageFileSystem.blockBytes), !isMore
        else { return nil }
        return ByteSize(bytes: bytes)
    }

    /// Why an ext4 does not shrink, and what can be done about it.
    ///
    /// Its journal and tables stay as they were made for the size that it has had: an empty one can need much.
    private func obstacle(toShrinkingTo target: UInt64, saidBy error: HelperError) async -> String {
        guard let need = Self.minimum(said: error) else {
            return "its data may need the space; delete some, or \(wayOut(to: target))"
        }
        guard let used = await usedBytes() else {
            return "its data and its file system's own tables need \(need); delete some, or \(wayOut(to: target))"
        }
        let data = "its data takes \(ByteSize(bytes: used))"
        // A new file system needs some of its size, too.
        guard used < target / 4 * 3 else {
            return "\(data), and with its file system's own tables it needs \(need); delete some of it"
        }
        return "\(data), but its file system's own tables, made for a larger size, need \(need) with it; "
            + wayOut(to: target)
    }

    /// How much the data takes that is in a volume that is not mounted, without what the file system needs itself; nil if
    /// that cannot be seen.
    private func usedBytes() async -> UInt64? {
        do {
            return try await BlockingWork.run {
                let device = try mountIfNeeded()
                // The first error counts, and for a mere message none does.
                defer { try? unmountOwn() }
                return try mounted(from: device).usedBytes
            }
        } catch {
            logger.debug("it cannot be seen how much a volume holds", metadata: ["error": "\(error)"])
            return nil
        }
    }

    func resizeCopy(to target: UInt64, isLarger: Bool) async throws {
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
                throw cannotShrink(await obstacle(toShrinkingTo: target, saidBy: error), error)
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
            let reason = isLarger ? Self.growthObstacle : "ext4 shrinks only unmounted"
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
            if !wasMounted { try? await BlockingWork.run { try unmountOwn() } }
            throw error
        }
        guard !wasMounted else { return }
        do {
            try await BlockingWork.run { try unmountOwn() }
        } catch {
            // It does have its new size.
            logger.warning("a volume stays mounted after its resize", metadata: ["error": "\(error)"])
        }
    }

    func beginResize() throws {
        try DurableFile.write([], to: marker)
    }

    func endResize() throws {
        for path in [draft.path, marker] where path.isThere { try Files.unlink(path) }
    }
}

extension FilePath {
    /// Whether there is a file.
    var isThere: Bool { SparseFile(self).isThere }
}
