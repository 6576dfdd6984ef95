// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import MobyFSHost
package import MobyFSVolumes
package import SystemPackage

/// Volumes that are plain directories: in the pool, or anywhere on the host with `mountpoint=`.
///
/// Nothing is mounted for them: the directory itself is handed out, and so is there after any restart.
package struct DirectoryDriver: VolumeDriver {
    private let reserved: [FilePath]
    private let seesHost: Bool

    /// Makes the driver.
    ///
    /// - Parameters:
    ///   - reserved: The daemon's own directories, in which no `mountpoint=` may lie.
    ///   - seesHost: Whether the daemon's root is the host's; else no `mountpoint=` is taken.
    package init(reserved: [FilePath], seesHost: Bool = true) {
        self.reserved = reserved
        self.seesHost = seesHost
    }

    package let info = DriverInfo(
        name: "directory",
        summary: "a directory of the pool, or of the host",
        options: [
            OptionInfo("mountpoint", .path, "a directory of the host to use instead of one of the pool")
        ],
        selectors: ["mountpoint"])

    package func check(_ options: VolumeOptions) throws(VolumeError) {
        guard let text = options["mountpoint"] else { return }
        func refuse(_ reason: String) -> VolumeError {
            VolumeError(.invalidArgument, "option mountpoint='\(text.excerpt(256))' \(reason)")
        }
        guard seesHost else {
            throw refuse(
                "is out of reach of a managed plugin, which sees no folder of the host but its own: leave it out, or "
                    + "install the mobyfs package")
        }
        let path = FilePath(text)
        guard path.isAbsolute, text.utf8.first == UInt8(ascii: "/") else {
            throw refuse("is not an absolute path, such as /srv/data")
        }
        guard !path.components.contains(where: { $0.kind == .parentDirectory }) else {
            throw refuse("has '..' in it: give the path without")
        }
        guard !text.utf8.contains(0), !path.isRoot else { throw refuse("is no directory that a volume can be") }
        if let system = Self.system.first(where: { path.starts(with: $0) }) {
            throw refuse("is in '\(system)', which is the system's: choose another path")
        }
        if Self.shared.contains(path.lexicallyNormalized()),
            let name = ["uid", "gid", "mode"].first(where: { options[$0] != nil })
        {
            throw refuse("is for all of this host, and option \(name) would change who may enter it: leave \(name) out")
        }
        if let own = overlap(of: path.lexicallyNormalized(), with: reserved) { throw Self.overlapping(path, own) }
        if let policy = options.removalPolicy, policy != .keep {
            throw VolumeError(
                .invalidArgument,
                "option on-remove='\(policy.rawValue)' does not go with mountpoint: mobyfs deletes no data outside its "
                    + "own folder; use on-remove=keep or leave it out")
        }
    }

    /// What this host, its kernel and its engines keep for themselves.
    private static let system: [FilePath] = [
        "/boot", "/dev", "/etc", "/proc", "/sys", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/var/lib/docker",
        "/var/lib/containerd", "/var/lib/dpkg",
    ]
    /// Directories that many go through.
    private static let shared: Set<FilePath> = [
        "/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/var", "/var/lib", "/var/log", "/var/tmp",
    ]

    /// The first of the directories that is at a path, above it or below it.
    private func overlap(of path: FilePath, with directories: [FilePath]) -> FilePath? {
        directories.first { path.starts(with: $0) || $0.starts(with: path) }
    }

    private static func overlapping(_ path: FilePath, _ own: FilePath) -> VolumeError {
        VolumeError(
            .invalidArgument,
            "option mountpoint='\(path.string.excerpt(256))' overlaps with '\(own)', which mobyfs needs itself: leave mountpoint out, or "
                + "choose another path")
    }

    /// Checks what only the disk can tell, and so blocks.
    ///
    /// - Returns: Where the path leads.
    @discardableResult
    private func checkOnDisk(_ path: FilePath) throws -> FilePath {
        let real = Directories.resolve(path)
        if let own = overlap(of: real, with: reserved.map(Directories.resolve)) { throw Self.overlapping(path, own) }
        // "/usr/lib" for "/lib", say; what is named itself was refused before.
        if let system = Self.system.first(where: { real.starts(with: Directories.resolve($0)) }) {
            throw VolumeError(
                .invalidArgument,
                "option mountpoint='\(path)' leads to '\(real)' in '\(system)', which is the system's: choose another path"
            )
        }
        if Directories.isDirectory(path) == false {
            throw VolumeError(.invalidArgument, "option mountpoint='\(path.string.excerpt(256))' is not a directory")
        }
        return real
    }

    package func mountpoint(of volume: Volume, in context: DriverContext) -> FilePath {
        volume.options["mountpoint"].map { FilePath($0) } ?? context.root.appending("data")
    }

    package func allowsManyHosts(_ volume: Volume) -> Bool { true }

    package func keepsDataInside(_ volume: Volume) -> Bool {
        volume.options["mountpoint"] == nil
    }

    package func sizeSupport(_ options: VolumeOptions, pool: FilePath) -> SizeSupport {
        let path = options["mountpoint"].map { FilePath($0) } ?? pool
        return ProjectQuotaSupport.reasonAgainst(newAt: path).map { .unsupported($0) } ?? .enforced
    }

    package func create(_ volume: Volume, in context: DriverContext) async throws -> [String: String] {
        let path = mountpoint(of: volume, in: context)
        let isInside = keepsDataInside(volume)
        return try await BlockingWork.run {
            if !isInside { try checkOnDisk(path) }
            var created: [FilePath] = []
            do {
                // In the pool the manager syncs it together with the record.
                created = try Directories.create(path, mode: 0o755, isDurable: !isInside)
                try applyAttributes(of: volume, to: path)
                let place = isInside ? [:] : try Self.place(of: path)
                return try place.merging(DirectoryQuota(volume, at: path, in: context).begin()) { place, _ in place }
            } catch {
                for directory in created.reversed() { Directories.removeIfEmpty(directory) }
                if let error = error as? VolumeError { throw error }
                throw VolumeError(.io, "cannot create volume '\(volume.name)'", cause: error)
            }
        }
    }

    /// Lifts the limit of a directory outside the pool; the directory is the user's, and stays.
    ///
    /// One that ``create(_:in:)`` made for a volume
    /// that did not come to be is empty, but so may be one that was there before.
    package func remove(_ volume: Volume, in context: DriverContext) async throws {
        guard !keepsDataInside(volume) else { return }
        let path = mountpoint(of: volume, in: context)
        await BlockingWork.run {
            do {
                if let expected = FileSystemIdentity(state: volume.state) {
                    try Self.require(expected, of: path, for: volume)
                }
                try DirectoryQuota(volume, at: path, in: context).end()
            } catch {
                // The disk may be gone, and the volume with it.
                context.logger.debug("a directory may keep its limit", metadata: ["error": "\(error)"])
            }
        }
    }

    package func purge(_ directory: FilePath) throws {
        try DirectoryQuota.release(directory.appending("data"), recordedIn: directory.appending("record.json"))
    }

    package func mount(_ volume: Volume, in context: DriverContext) async throws {
        let path = mountpoint(of: volume, in: context)
        let isInside = keepsDataInside(volume)
        try await BlockingWork.run {
            if !isInside { try checkOnDisk(path) }
            try Self.requirePresence(of: path, for: volume)
            do {
                try applyAttributes(of: volume, to: path)
                try DirectoryQuota(volume, at: path, in: context).verify()
            } catch let error as VolumeError {
                throw error
            } catch {
                let failure = "volume '\(volume.name)' cannot be mounted"
                throw isInside ? VolumeError.failure(failure, error) : VolumeError(.io, failure, cause: error)
            }
        }
    }

    /// Outside the pool others may own the folders on the way, and lead elsewhere at any moment: the way is checked, and then
    /// gone without following a link.
    private func applyAttributes(of volume: Volume, to path: FilePath) throws {
        guard !keepsDataInside(volume) else { return try RootAttributes.apply(volume.options, to: path) }
        guard RootAttributes.areGiven(by: volume.options) else { return }
        let real = try checkOnDisk(path)
        if let expected = volume.state[Self.realPathKey], expected != real.string {
            throw SystemCallError("follow '\(path)', which has just changed", .tooManySymbolicLinkLevels)
        }
        try Directories.withReal(real) { try RootAttributes.apply(volume.options, to: $0, named: real) }
    }

    package func unmount(_ volume: Volume, in context: DriverContext) async throws {}

    package func usage(of volume: Volume, in context: DriverContext) throws -> VolumeUsage? {
        try DirectoryQuota(volume, at: mountpoint(of: volume, in: context), in: context).usage()
    }

    package func missing(of volume: Volume, in context: DriverContext) -> FilePath? {
        let path = mountpoint(of: volume, in: context)
        return !keepsDataInside(volume) || Directories.isRealDirectory(path) ? nil : path
    }

    package func recognized(in directory: FilePath) -> RecognizedVolume? {
        Directories.isRealDirectory(directory.appending("data")) ? RecognizedVolume() : nil
    }

    private static let realPathKey = "realpath"

    /// What a record keeps of a directory outside the pool.
    private static func place(of path: FilePath) throws -> [String: String] {
        var place = try FileSystemIdentity(of: path).state
        place[realPathKey] = Directories.resolve(path).string
        return place
    }

    /// Throws unless the volume's directory is there, on the disk that it was created on.
    private static func requirePresence(of path: FilePath, for volume: Volume) throws {
        let found = Directories.resolve(path).string
        if let expected = volume.state[realPathKey], expected != found {
            throw VolumeError(
                .unavailable,
                "volume '\(volume.name)' cannot be mounted: '\(path)' leads to '\(found)' now, and was '\(expected)' when the "
                    + "volume was created; undo that, or remove the volume and create it again, which keeps its data")
        }
        if let expected = FileSystemIdentity(state: volume.state) { try require(expected, of: path, for: volume) }
        // In the pool nobody has put a link there but to lead out of it.
        guard try isDirectory(path, of: volume, followingLinks: volume.options["mountpoint"] != nil) else {
            throw VolumeError(
                .unavailable, "volume '\(volume.name)' cannot be mounted: its directory '\(path)' is gone; restore it")
        }
    }

    /// Whether there is a directory; throws where storage does not tell.
    private static func isDirectory(_ path: FilePath, of volume: Volume, followingLinks: Bool) throws -> Bool {
        do {
            return try Files.isDirectory(path, followingLinks: followingLinks)
        } catch let error as SystemCallError where [.noSuchFileOrDirectory, .notDirectory].contains(error.errno) {
            return false
        } catch {
            throw VolumeError(.io, "volume '\(volume.name)' cannot be mounted", cause: error)
        }
    }

    /// Throws unless the disk that was there when the volume was created is there now.
    ///
    /// Else the container would find an empty directory, and its data would end up under the mountpoint.
    private static func require(_ expected: FileSystemIdentity, of path: FilePath, for volume: Volume) throws {
        var existing = path
        while try !existing.isRoot && !isDirectory(existing, of: volume, followingLinks: true) {
            existing.removeLastComponent()
        }
        let found = try FileSystemIdentity(of: existing)
        guard !expected.matches(found) else { return }
        throw VolumeError(
            .unavailable,
            "volume '\(volume.name)' cannot be mounted: '\(path)' was created on \(expected) and is on \(found) now; "
                + "mount the file system that belongs there, or remove the volume and create it again, which keeps its data"
        )
    }
}

extension DirectoryDriver: ResizableDriver {
    package func resize(
        _ volume: Volume, to size: ByteSize, in context: DriverContext
    ) async throws -> [String: String] {
        let path = mountpoint(of: volume, in: context)
        return try await BlockingWork.run {
            try Self.requirePresence(of: path, for: volume)
            do {
                let quota = try DirectoryQuota(volume, at: path, in: context).resize(to: size)
                return volume.state.merging(quota) { _, quota in quota }
            } catch let error as VolumeError {
                throw error
            } catch {
                throw VolumeError(.io, "volume '\(volume.name)' cannot be resized", cause: error)
            }
        }
    }
}

extension FileSystemIdentity {
    private static let keys = (mountpoint: "fs.mountpoint", type: "fs.type", uuid: "fs.uuid", fsid: "fs.fsid")

    /// As a record keeps it.
    fileprivate var state: [String: String] {
        var state = [Self.keys.mountpoint: mountpoint, Self.keys.type: type]
        state[Self.keys.uuid] = uuid
        state[Self.keys.fsid] = fsid
        return state
    }

    fileprivate init?(state: [String: String]) {
        guard let mountpoint = state[Self.keys.mountpoint], let type = state[Self.keys.type] else { return nil }
        self.init(
            mountpoint: mountpoint, type: type, uuid: state[Self.keys.uuid], fsid: state[Self.keys.fsid])
    }
}
