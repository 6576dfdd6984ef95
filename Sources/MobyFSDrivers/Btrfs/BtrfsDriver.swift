// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
package import MobyFSVolumes
package import SystemPackage

/// Volumes that are subvolumes of a pool on btrfs.
///
/// Nothing is mounted for them: the subvolume `data` of the volume's own directory is handed out.
package struct BtrfsDriver: VolumeDriver {
    /// How long deleting a volume waits for the kernel to count it out; what is left then is tried again later.
    private static let patience = Duration.seconds(10)

    package init() {}

    package let info = DriverInfo(
        name: "btrfs",
        summary: "a subvolume of a pool on btrfs",
        options: [
            // What one write needs for metadata alone is reserved first, and given back later.
            OptionInfo(
                "size", .size(minimumBytes: 16 << 20),
                "how much room on disk the volume can take, after compression and with metadata"),
            OptionInfo(
                "compression", .oneOf(["zlib", "lzo", "zstd", "none"]),
                "what new files are compressed with; true means zstd, false none",
                default: "as the pool is mounted"),
            OptionInfo(
                "copyonwrite", .flag,
                "false lets files be overwritten in place, for databases: without checksums and compression",
                default: "true"),
        ],
        selectors: ["compression", "copyonwrite"])

    package func translate(_ given: inout [String: String]) throws(VolumeError) {
        guard let text = given["compression"] else { return }
        switch text.lowercased() {
        // As buttervolume has it, which leaves the algorithm open.
        case "true", "yes", "on", "1", "": given["compression"] = "zstd"
        case "false", "no", "off", "0": given["compression"] = "none"
        case let word:
            guard let colon = word.firstIndex(of: ":") else { return }
            throw VolumeError(
                .invalidArgument,
                "option compression='\(text)': the kernel keeps no level for a directory; use compression="
                    + "\(word[..<colon]), or mount the pool with the option compress=\(word)")
        }
    }

    package func check(_ options: VolumeOptions) throws(VolumeError) {
        guard options["copyonwrite"] == "false", let algorithm = options["compression"], algorithm != "none" else {
            return
        }
        throw VolumeError(
            .invalidArgument,
            "options compression='\(algorithm)' and copyonwrite='false' do not go together: btrfs compresses only what "
                + "it writes to a new place; leave one of them out")
    }

    package func lacks(pool: FilePath) -> [String] {
        guard !BtrfsDirectory.isBtrfs(pool) else { return [] }
        return ["the pool '\(pool)' is not on btrfs: move it to a btrfs file system"]
    }

    package func sizeSupport(_ options: VolumeOptions, pool: FilePath) -> SizeSupport {
        guard BtrfsDirectory.isBtrfs(pool) else { return .unsupported("the pool '\(pool)' is not on btrfs") }
        do {
            _ = try BtrfsDirectory(Directories.resolve(pool)).quotaStatus()
            return .enforced
        } catch {
            return .unsupported("it cannot get at the quotas of the pool: \(error)")
        }
    }

    package func suits(pool: FilePath) -> Bool {
        BtrfsDirectory.isBtrfs(pool)
    }

    package func mountpoint(of volume: Volume, in context: DriverContext) -> FilePath {
        context.root.appending(Self.name)
    }

    private static let name = "data"

    package func keepsDataInside(_ volume: Volume) -> Bool { true }

    package func create(_ volume: Volume, in context: DriverContext) async throws -> [String: String] {
        try await BlockingWork.run {
            guard BtrfsDirectory.isBtrfs(context.root) else {
                throw VolumeError(
                    .invalidArgument,
                    "driver 'btrfs' needs a pool on btrfs, which '\(context.root.removingLastComponent())' is not: use "
                        + "driver=image, which takes fs=btrfs, or driver=directory")
            }
            do {
                return try create(volume, at: context.root, until: context.deadline)
            } catch let error as VolumeError {
                throw error
            } catch {
                throw VolumeError(.io, "cannot create volume '\(volume.name)'", cause: error)
            }
        }
    }

    private func create(
        _ volume: Volume, at root: FilePath, until deadline: ContinuousClock.Instant
    ) throws -> [String: String] {
        let path = root.appending(Self.name)
        let isKept = Directories.isDirectory(path) != nil
        if !isKept { try BtrfsDirectory(root).createSubvolume(named: Self.name) }
        // What fails from here on is taken back by purge(_:).
        let data = try BtrfsDirectory(path)
        guard let subvolume = try data.subvolume() else { throw Self.noSubvolume(volume, path) }
        if !isKept { try Directories.set(owner: nil, group: nil, mode: 0o755, of: path) }
        if volume.options["copyonwrite"] == "false" {
            try data.disableCopyOnWrite()
        } else if let algorithm = volume.options["compression"] {
            try data.setCompression(algorithm)
        }
        try BtrfsSize(of: volume, subvolume).apply(to: data, until: deadline)
        try RootAttributes.apply(volume.options, to: path)
        // A limit that a power cut takes back is set again by the next Mount.
        try data.synchronize()
        return BtrfsIdentity(subvolume).state
    }

    package func remove(_ volume: Volume, in context: DriverContext) async throws {}

    package func mount(_ volume: Volume, in context: DriverContext) async throws {
        let path = mountpoint(of: volume, in: context)
        try await BlockingWork.run {
            do {
                guard Directories.isDirectory(path) != nil else {
                    throw VolumeError(
                        .unavailable,
                        "volume '\(volume.name)' cannot be mounted: its subvolume '\(path)' is gone; restore it")
                }
                let data = try BtrfsDirectory(path)
                guard let subvolume = try data.subvolume() else { throw Self.noSubvolume(volume, path) }
                try BtrfsIdentity(state: volume.state)?.require(subvolume, of: volume, at: data)
                try BtrfsSize(of: volume, subvolume).renew(on: data)
                try RootAttributes.apply(volume.options, to: path)
            } catch let error as VolumeError {
                throw error
            } catch {
                throw VolumeError.failure("volume '\(volume.name)' cannot be mounted", error)
            }
        }
    }

    package func unmount(_ volume: Volume, in context: DriverContext) async throws {}

    package func lacksLimit(_ volume: Volume, in context: DriverContext) throws -> Bool {
        let data = try BtrfsDirectory(mountpoint(of: volume, in: context))
        guard let subvolume = try data.subvolume() else { return false }
        return try BtrfsSize(of: volume, subvolume).isMissing(from: data)
    }

    package func renewLimit(of volume: Volume, in context: DriverContext) throws {
        let data = try BtrfsDirectory(mountpoint(of: volume, in: context))
        guard let subvolume = try data.subvolume() else { throw Self.noSubvolume(volume, data.path) }
        try BtrfsIdentity(state: volume.state)?.require(subvolume, of: volume, at: data)
        try BtrfsSize(of: volume, subvolume).renew(on: data)
    }

    package func usage(of volume: Volume, in context: DriverContext) throws -> VolumeUsage? {
        guard let size = volume.options.size else { return nil }
        let data = try BtrfsDirectory(mountpoint(of: volume, in: context))
        guard let subvolume = try data.subvolume(), let used = try data.usage(of: .volume(subvolume.id)) else {
            return nil
        }
        return VolumeUsage(usedBytes: used, freeBytes: size.bytes - min(size.bytes, used), source: .group)
    }

    package func missing(of volume: Volume, in context: DriverContext) -> FilePath? {
        let path = mountpoint(of: volume, in: context)
        return Directories.isRealDirectory(path) ? nil : path
    }

    package func recognized(in directory: FilePath) -> RecognizedVolume? {
        let path = directory.appending(Self.name)
        guard Directories.isRealDirectory(path) else { return nil }
        // What cannot be asked is none.
        return (try? BtrfsDirectory(path).subvolume()).map { RecognizedVolume(state: BtrfsIdentity($0).state) }
    }

    package func obstacleToCopying(_ volume: Volume, in context: DriverContext) throws -> String? {
        try Self.obstacleToCopying(mountpoint(of: volume, in: context))
    }

    private static func obstacleToCopying(_ data: FilePath) throws -> String? {
        try BtrfsDirectory(data).nestedNames().first.map {
            "has a subvolume of its own in it, '\($0)', which no snapshot or copy would have: make a folder of it first"
        }
    }

    package func purge(_ directory: FilePath) throws {
        try BtrfsSubvolumeRemover.remove(below: directory, until: .now + Self.patience)
    }

    /// What a restore by copy leaves.
    private static func noSubvolume(_ volume: Volume, _ path: FilePath) -> VolumeError {
        VolumeError(
            .unavailable,
            "volume '\(volume.name)' cannot be used: '\(path)' is no subvolume but a plain directory, as a copy of one is, "
                + "to which no size applies; rename it, run 'btrfs subvolume create \(path)' and move its content there"
        )
    }
}

extension BtrfsDriver: ResizableDriver {
    package func resize(
        _ volume: Volume, to size: ByteSize, in context: DriverContext
    ) async throws -> [String: String] {
        let path = mountpoint(of: volume, in: context)
        return try await BlockingWork.run {
            do {
                let data = try BtrfsDirectory(path)
                guard let subvolume = try data.subvolume() else { throw Self.noSubvolume(volume, path) }
                try BtrfsSize(of: volume, subvolume).change(to: size, of: data, until: context.deadline)
                return volume.state
            } catch let error as VolumeError {
                throw error
            } catch {
                throw VolumeError(.io, "volume '\(volume.name)' cannot be resized to \(size)", cause: error)
            }
        }
    }
}

extension BtrfsDriver: SnapshotDriver {
    package var contentName: String { Self.name }

    /// A snapshot of the kernel's.
    package func copyContent(
        of volume: Volume, from source: FilePath, to copy: FilePath, for purpose: CopyPurpose, isInUse: Bool,
        in context: DriverContext
    ) async throws {
        guard let name = copy.lastComponent?.string else { return }
        try await BlockingWork.run {
            // A restore puts the present content away, and with it what no snapshot has.
            let own = mountpoint(of: volume, in: context)
            let present = purpose == .restore && Directories.isRealDirectory(own) ? own : source
            if let obstacle = try Self.obstacleToCopying(present) {
                throw VolumeError(.invalidArgument, "volume '\(volume.name)' \(obstacle)")
            }
            let folder = try BtrfsDirectory(copy.removingLastComponent())
            try folder.createSnapshot(
                named: name, of: BtrfsDirectory(source), isReadOnly: purpose == .snapshot)
            try folder.commit()
        }
    }

    /// Which subvolume it is, is found out anew.
    package func stateOfCopy(of volume: Volume) -> [String: String] { [:] }
}
