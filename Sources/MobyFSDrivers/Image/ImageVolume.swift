// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import MobyFSHost
import MobyFSVolumes
import SystemPackage

/// One volume with its files, for one call.
struct ImageVolume: Sendable {
    /// What is handed out, in the image's file system: its root has `lost+found`, and would not be empty.
    static let dataName = "data"
    static let imageName = "image"

    let volume: Volume
    let fileSystem: ImageFileSystem
    let isSparse: Bool
    let image: SparseFile
    /// Where the file system is mounted.
    let mountpoint: Mountpoint
    /// There while the size is being changed.
    let marker: FilePath
    /// A smaller image that is being made.
    let draft: SparseFile
    var deadline: ContinuousClock.Instant
    let logger: Logger

    init(_ volume: Volume, _ context: DriverContext) {
        self.volume = volume
        fileSystem = ImageFileSystem(volume.options)
        isSparse = Self.isSparse(volume.options)
        image = SparseFile(context.root.appending(Self.imageName))
        mountpoint = Mountpoint(context.mounts)
        marker = context.root.appending("resizing")
        draft = SparseFile(context.root.appending("image.new"))
        deadline = context.deadline
        logger = context.logger
    }

    /// Whether the image of a volume with these options takes up only what is used of it.
    static func isSparse(_ options: VolumeOptions) -> Bool { options["sparse"] != "false" }

    var name: VolumeName { volume.name }
    var data: FilePath { mountpoint.path.appending(Self.dataName) }
    var repair: String { fileSystem.repair(of: image.path) }
}

// MARK: - Mounting

extension ImageVolume {
    /// Makes sure that the image's file system is mounted, and can be written.
    func mount() async throws {
        do {
            await withHalfTheTime().settleUnmounted()
            let device = try await BlockingWork.run { try mountIfNeeded() }
            await withHalfTheTime().settle(on: device)
            try await BlockingWork.run {
                try requireWritable()
                guard Directories.isRealDirectory(data) else {
                    throw VolumeError(
                        .unavailable,
                        "volume '\(name)' cannot be mounted: there is no folder '\(Self.dataName)' in its image "
                            + "'\(image.path)'; restore it")
                }
                try RootAttributes.apply(volume.options, to: data)
            }
        } catch {
            throw await BlockingWork.run { explained(error) } ?? failure("mount", error)
        }
    }

    /// The device that the volume is mounted from; nil if it is not mounted.
    ///
    /// Blocks.
    func mountedDevice() throws -> LoopDevice? {
        let table = try MountTable()
        guard let entry = table.entries.last(where: { $0.mountpoint == mountpoint.path }) else { return nil }
        if let cover = table.entries.last(where: { $0.mountpoint == data }) { throw covered(by: cover) }
        // The mount table has names, which say nothing about the file that is behind the device now.
        if let device = LoopDevice(path: FilePath(entry.source)), try device.status()?.file == FileID(of: image.path) {
            return device
        }
        throw covered(by: entry)
    }

    private func covered(by entry: MountEntry) -> VolumeError {
        VolumeError(
            .unavailable,
            "volume '\(name)' cannot be mounted: '\(entry.source)' is mounted at '\(entry.mountpoint)' and is not its "
                + "image; stop the containers that use it and run 'umount \(entry.mountpoint)'")
    }

    /// Mounts the image unless it is mounted.
    ///
    /// Blocks.
    func mountIfNeeded() throws -> LoopDevice {
        guard image.isThere else {
            throw VolumeError(
                .unavailable, "volume '\(name)' cannot be mounted: its image '\(image.path)' is gone; restore it")
        }
        if let device = try mountedDevice() { return device }
        try mountpoint.prepare()
        do {
            return try LoopDevice.withAttached(image.path) { device in
                if !isSparse { reserveSpace() }
                try Mounts.mount(
                    type: fileSystem.rawValue, source: device.path.string, at: mountpoint.path,
                    options: fileSystem.mountOptions(isSparse: isSparse))
                do {
                    // btrfs can take another disk with the same UUID for this one.
                    guard try mountedDevice() == device else { throw SystemCallError("mount", .invalidArgument) }
                } catch {
                    try Mounts.unmount(mountpoint.path)
                    throw error
                }
                return device
            }
        } catch {
            removeMountpoint()
            throw error
        }
    }

    /// Throws while a change of the size is half done, and could not be ended.
    ///
    /// Blocks.
    func requireSettled() throws {
        guard marker.isThere else { return }
        throw VolumeError(
            .unavailable,
            "volume '\(name)' is between two sizes after a resize that was cut off, which could not be ended: see the warning in "
                + "'journalctl -u mobyfs', and try again")
    }

    /// Sees to it that writing to an image that has all its blocks needs no space of the pool.
    ///
    /// Blocks.
    private func reserveSpace() {
        do {
            // The kernel itself gives blocks away where it wants a range to be zero, and fstrim(8) all that are free.
            try image.fillHoles()
        } catch {
            logger.warning(
                "space that was reserved for a volume was given away, and others have taken it",
                metadata: ["error": "\(error)"])
        }
    }

    /// Throws unless the file system takes changes.
    ///
    /// What it does after an error is not to be seen in its flags; that it refuses to set a time is.
    private func requireWritable() throws {
        let descriptor = try check(
            open(mountpoint.path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open '\(mountpoint.path)'")
        defer { close(descriptor) }
        do {
            try check(futimens(descriptor, nil), "change '\(mountpoint.path)'")
        } catch {
            let message =
                isPoolFull
                ? "volume '\(name)' cannot be written, for the pool is full: \(Self.wayToRoom), stop all containers that "
                    + "use the volume, and start them again"
                : "volume '\(name)' cannot be written since its file system had an error, as 'dmesg' says: make sure that "
                    + "the pool is not full, stop all containers that use the volume, run \"\(repair)\", and start "
                    + "them again"
            throw VolumeError(.unavailable, message, cause: error)
        }
    }

    /// Unmounts; fine if nothing is mounted.
    ///
    /// Blocks. A program that this process starts has all its descriptors, those in a volume too, until its exec(2): that
    /// is no reason to say that the volume is in use.
    ///
    /// - Parameter patience: How long to try.
    /// - Throws: ``VolumeError``, with code `inUse` if some process is at work in it.
    func unmount(patience: Duration = .milliseconds(300)) throws {
        let end = ContinuousClock.now + patience
        do {
            // What is mounted here is this volume's or of no use; there may be one on top of another.
            while try Mounts.entry(at: mountpoint.path) != nil {
                do {
                    try Mounts.unmount(mountpoint.path)
                } catch let error as SystemCallError where error.errno == .resourceBusy && ContinuousClock.now < end {
                    usleep(10_000)
                }
            }
            try mountpoint.remove()
        } catch let error as SystemCallError where error.errno == .resourceBusy {
            throw VolumeError(.inUse, "volume '\(name)' is in use and stays mounted", cause: error)
        } catch {
            throw failure("unmount", error)
        }
    }

    /// Unmounts what nobody but this process has seen.
    ///
    /// Blocks.
    func unmountOwn() throws {
        try unmount(patience: .seconds(5))
    }

    private func removeMountpoint() {
        do {
            try mountpoint.remove()
        } catch {
            logger.debug("a mountpoint stays", metadata: ["error": "\(error)"])
        }
    }
}

// MARK: - Errors

extension ImageVolume {
    /// Says which volume it is about, unless the error does.
    func failure(_ verb: String, _ error: any Error) -> VolumeError {
        if let error = error as? VolumeError { return error }
        let what = "cannot \(verb) volume '\(name)'"
        // Of other reasons it is not known whether they are the pool's or the image's.
        if (error as? SystemCallError)?.errno == .readOnlyFileSystem { return .failure(what, error) }
        let isMissing = (error as? HelperError)?.reason == .missing
        return VolumeError(isMissing ? .unavailable : .io, what, cause: error)
    }

    private static let wayToRoom =
        "make room in it ('mobyfs volume df' and 'mobyfs trash ls' show what takes it up)"

    /// Whether the pool has no room for what a sparse image would have to take of it: a mount writes too, and on btrfs even
    /// what is written over needs room.
    ///
    /// Blocks.
    private var isPoolFull: Bool {
        // Where that cannot be told, the error is told of as it is.
        (try? Directories.isFull(image.path.removingLastComponent())) ?? false
    }

    /// Says what can be done about an image that the kernel does not mount; nil if that is not what is wrong.
    ///
    /// Blocks.
    func explained(_ error: any Error) -> VolumeError? {
        guard let error = error as? MountError else { return nil }
        switch error.errno {
        case .resourceBusy:
            return VolumeError(
                .inUse, "volume '\(name)' cannot be mounted: some program is at work on its image '\(image.path)'",
                cause: error)
        case .invalidArgument, .ioError, Errno(rawValue: EUCLEAN), .badMessage, .noData:
            let reason =
                isPoolFull
                ? "the pool is full: \(Self.wayToRoom), and the volume can be mounted again"
                : "its file system seems to be damaged: make sure that the pool is not full, save a copy of "
                    + "'\(image.path)', and run \"\(repair)\""
            return VolumeError(.io, "volume '\(name)' cannot be mounted, for \(reason)", cause: error)
        default: return nil
        }
    }
}
