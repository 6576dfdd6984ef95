// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import MobyFSHost
import MobyFSVolumes
import SystemPackage

extension ImageVolume {
    private static let fileSystemKey = "image.fs"

    /// Makes the image, or takes up the one that an earlier volume left.
    ///
    /// - Returns: What the record keeps of it.
    func create() async throws -> [String: String] {
        guard let size = volume.options.size else { throw VolumeError(.invalidArgument, "option 'size' is missing") }
        do {
            if await BlockingWork.run({ image.isThere }) { try await adopt(size) } else { try await make(size) }
        } catch {
            throw failure("create", error)
        }
        return Self.state(fileSystem, isSparse: isSparse)
    }

    static func state(_ fileSystem: ImageFileSystem, isSparse: Bool) -> [String: String] {
        [fileSystemKey: fileSystem.rawValue, "image.sparse": "\(isSparse)"]
    }

    /// The size of the image of a volume: no more than was asked for, and whole blocks.
    static func imageBytes(_ size: ByteSize) -> UInt64 {
        size.bytes - size.bytes % ImageFileSystem.blockBytes
    }

    private func make(_ size: ByteSize) async throws {
        do {
            try await BlockingWork.run {
                try image.create(bytes: Self.imageBytes(size), isAllocated: !isSparse, until: deadline)
            }
            try await fileSystem.maker.runBesideLoopDevices(
                fileSystem.makeArguments(image.path, isSparse: isSparse), until: deadline)
            // Mounting it once shows that this kernel takes what this mkfs makes.
            try await BlockingWork.run {
                _ = try mountIfNeeded()
                try populate()
                try unmountOwn()
                if !isSparse { try image.fillHoles() }
                try image.sync()
            }
        } catch {
            throw await BlockingWork.run {
                // While all that was written is there.
                let isFull = makerLackedRoom(error)
                discard()
                return lackOfSpace("create", error, size, isFull: isFull) ?? error
            }
        }
    }

    /// Whether a pool without room is why mkfs.btrfs failed, which speaks of an input/output error then.
    ///
    /// Blocks.
    private func makerLackedRoom(_ error: any Error) -> Bool {
        guard fileSystem == .btrfs, let error = error as? HelperError, case .failed = error.reason,
            // Where that cannot be told, what it said has to do.
            let free = try? Directories.freeBytes(of: image.path.removingLastComponent())
        else { return false }
        // It begins with 2 MiB of zeros, and writes little more.
        return free < 4 << 20
    }

    /// Says what an image does not fit into; nil if that is not what is wrong.
    ///
    /// Blocks.
    ///
    /// - Parameters:
    ///   - verb: What was to be done with the volume.
    ///   - error: Why it failed.
    ///   - size: The size that was asked for.
    ///   - isFull: Whether it is known to have failed for lack of room, though the error does not say so.
    /// - Returns: What to throw instead.
    func lackOfSpace(
        _ verb: String, _ error: any Error, _ size: ByteSize, isFull: Bool = false
    ) -> VolumeError? {
        let reason = (error as? SystemCallError)?.errno
        let folder = image.path.removingLastComponent()
        if reason == .fileTooLarge {
            return VolumeError(
                .invalidArgument,
                "cannot \(verb) volume '\(name)': the file system of the pool takes no file of \(size); ask for less")
        }
        let isFull =
            isFull || reason == .noSpace
            || (error as? HelperError)?.lines.contains { $0.contains("No space left") } == true
        guard isFull, let free = try? Directories.freeBytes(of: folder) else { return nil }
        return VolumeError(
            .io,
            "cannot \(verb) volume '\(name)', \(size): No space left on device; the pool has \(ByteSize(bytes: free)) free; "
                + "ask for less" + (isSparse ? "" : ", or let it grow as it is written to: sparse=true"))
    }

    private func populate() throws {
        // Containers in a user namespace need to pass through to the data, and to see nothing else.
        try check(chmod(mountpoint.path.string, 0o711), "chmod '\(mountpoint.path)'")
        try Directories.create(data, mode: 0o755)
        try RootAttributes.apply(volume.options, to: data)
    }

    private func discard() {
        do {
            try unmountOwn()
            if image.isThere { try Files.unlink(image.path) }
        } catch {
            logger.warning("a half-made image stays for now", metadata: ["error": "\(error)"])
        }
    }

    /// Makes an image that was kept as large as is asked for now; all else must be as it was.
    private func adopt(_ size: ByteSize) async throws {
        let bytes = try await BlockingWork.run { try image.bytes }
        let kept = ["image.fs": fileSystem.rawValue, "image.sparse": "\(isSparse)"]
        guard kept == volume.state, bytes <= Self.imageBytes(size) else {
            let state = volume.state
            throw VolumeError(
                .alreadyExists,
                "the data of an earlier volume '\(name)' was kept, with size=\(ByteSize(bytes: bytes).normal)"
                    + ", fs=\(state["image.fs"] ?? "?"), sparse=\(state["image.sparse"] ?? "?"): ask for just that")
        }
        try await resize(to: size)
    }
}
