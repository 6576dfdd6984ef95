// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
package import MobyFSHost
package import MobyFSVolumes
package import SystemPackage

/// Volumes in memory.
///
/// A volume is mounted by the first Mount and stays so until it is removed: the engine unmounts a new volume once
/// between seeding it and starting its container. A reboot empties it.
package struct TmpfsDriver: VolumeDriver {
    /// What mount tables show as source, in any namespace: no other mobyfs of this host mounts at the same place.
    private static func source(at mountpoint: FilePath) -> String { "mobyfs:\(mountpoint)" }

    /// The same of those that earlier versions have mounted.
    private static func oldSources(of volume: Volume) -> [String] { ["mobyfs:\(volume.name)", "mobyfs"] }

    /// The memory of this host, of which sizes may be percentages.
    private let memoryBytes: UInt64

    package init() {
        self.init(memoryBytes: UInt64(max(0, sysconf(CInt(_SC_PHYS_PAGES)))) * Self.pageSize)
    }

    package init(memoryBytes: UInt64) {
        self.memoryBytes = memoryBytes
    }

    private static var pageSize: UInt64 { UInt64(max(4096, sysconf(CInt(_SC_PAGESIZE)))) }

    package let info = DriverInfo(
        name: "tmpfs",
        summary: "memory, emptied by a reboot",
        options: [
            OptionInfo("type", .oneOf(["tmpfs"]), "chooses this driver, as for the engine's own driver 'local'"),
            OptionInfo("device", .text, "has no meaning; taken as the engine's own driver 'local' wants one"),
            OptionInfo(
                "o", .mountOptions,
                "mount options: size (also in percent of memory), uid, gid, mode, nr_inodes, noexec, nosuid, nodev, "
                    + "huge, noswap, …, see tmpfs(5)"),
            OptionInfo(
                "size", .size(minimumBytes: 4096),
                "how much the volume can hold, also in percent of memory, such as 10%", default: "half of memory"),
        ],
        selectors: ["type=tmpfs"], isLasting: false)

    package func translate(_ given: inout [String: String]) throws(VolumeError) {
        // They say nothing beyond driver=tmpfs, so that volumes with and without them are the same.
        if given["type"]?.lowercased() == "tmpfs" { given["type"] = nil }
        given["device"] = nil
        if let text = given["o"] {
            var list = try MountOptionList(parsing: text)
            for name in ["size", "uid", "gid", "mode"] { try take(name, outOf: &list, to: &given) }
            if let blocks = list.remove("nr_blocks"), given["size"] == nil {
                given["size"] = ByteSize(blocks).map { "\($0.bytes * Self.pageSize)" } ?? blocks
            }
            given["o"] = list.items.isEmpty ? nil : list.text
        }
        if let size = given["size"], size.hasSuffix("%"), let percent = UInt64(size.dropLast()), percent <= 1000 {
            given["size"] = "\(memoryBytes / Self.pageSize * percent / 100 * Self.pageSize)"
        }
    }

    private func take(
        _ name: String, outOf list: inout MountOptionList, to given: inout [String: String]
    ) throws(VolumeError) {
        guard let value = list.remove(name) else { return }
        if let other = given.updateValue(value, forKey: name), other != value {
            throw VolumeError(
                .invalidArgument,
                "option '\(name)' is given twice, as '\(other.excerpt())' and in o= as '\(value.excerpt())'")
        }
    }

    package func check(_ options: VolumeOptions) throws(VolumeError) {
        guard let policy = options.removalPolicy, policy != .delete else { return }
        throw VolumeError(
            .invalidArgument,
            "option on-remove='\(policy.rawValue)' does not go with driver 'tmpfs': what is in memory goes with the volume"
        )
    }

    package func lacks(pool: FilePath) -> [String] {
        Mounts.knows(type: "tmpfs") ? [] : ["this kernel has no tmpfs: use another kernel"]
    }

    package func sizeSupport(_ options: VolumeOptions, pool: FilePath) -> SizeSupport { .enforced }

    package func mountpoint(of volume: Volume, in context: DriverContext) -> FilePath { context.mounts }

    package func keepsDataInside(_ volume: Volume) -> Bool { false }

    package func source(of volume: Volume, in context: DriverContext) throws -> MountSelection? {
        MountSelection(source: Self.source(at: context.mounts))
    }

    package func create(_ volume: Volume, in context: DriverContext) async throws -> [String: String] {
        try await BlockingWork.run {
            do {
                try Mounts.check(type: "tmpfs", options: Self.mountOptions(volume.options))
            } catch let error as MountError {
                throw VolumeError(
                    .invalidArgument,
                    "cannot create volume '\(volume.name)': the kernel does not take o='\(volume.options["o"] ?? "")'",
                    cause: error)
            }
            return [:]
        }
    }

    package func remove(_ volume: Volume, in context: DriverContext) async throws {
        try await release(volume, in: context)
    }

    package func mount(_ volume: Volume, in context: DriverContext) async throws {
        try await BlockingWork.run {
            do {
                if let entry = try Mounts.entry(at: context.mounts) {
                    let sources = [Self.source(at: context.mounts)] + Self.oldSources(of: volume)
                    guard entry.type == "tmpfs", sources.contains(entry.source) else {
                        throw VolumeError(
                            .unavailable,
                            "volume '\(volume.name)' cannot be mounted: \(entry.type) '\(entry.source)' is mounted at "
                                + "'\(context.mounts)'; run 'umount \(context.mounts)'")
                    }
                    do {
                        try Self.settle(volume.options.size, of: context.mounts)
                    } catch {
                        // It holds more than that: the kernel takes nothing away.
                        context.logger.warning(
                            "a volume does not have the size in its record yet; its next Mount tries again",
                            metadata: ["error": "\(error)"])
                    }
                } else {
                    try Self.mount(volume, at: context.mounts)
                }
                try RootAttributes.apply(volume.options, to: context.mounts)
            } catch let error as VolumeError {
                throw error
            } catch {
                throw VolumeError(.io, "volume '\(volume.name)' cannot be mounted", cause: error)
            }
        }
    }

    private static func mount(_ volume: Volume, at path: FilePath) throws {
        let mountpoint = Mountpoint(path)
        let survey = try MountNamespaces.survey(MountSelection(source: source(at: path)), missingAt: path)
        if let user = survey.users[path] {
            throw VolumeError(
                .unavailable,
                "volume '\(volume.name)' cannot be mounted: somebody has unmounted it at '\(path)', and its data is in memory "
                    + "only for as long as process \(user.processID) (\(user.processName)) has it at '\(user.mountpoint)': save "
                    + "what matters from there, and stop that process")
        }
        try mountpoint.prepare()
        do {
            try Mounts.mount(
                type: "tmpfs", source: source(at: path), at: path, options: mountOptions(volume.options))
        } catch {
            // Of the two failures the first is the one to tell of.
            try? mountpoint.remove()
            throw error
        }
    }

    private static func mountOptions(_ options: VolumeOptions) throws(VolumeError) -> [Mounts.Option] {
        var list = try options["o"].map { text throws(VolumeError) in try MountOptionList(parsing: text).items } ?? []
        if let size = options.size { list.append(.init("size", "\(size.bytes)")) }
        for name in ["uid", "gid", "mode"] {
            if let value = options[name] { list.append(.init(name, value)) }
        }
        return list.map { ($0.key, $0.value) }
    }

    package func usage(of volume: Volume, in context: DriverContext) throws -> VolumeUsage? {
        guard try Mounts.entry(at: context.mounts) == nil else { return nil }
        return VolumeUsage(usedBytes: 0, freeBytes: volume.options.size?.bytes, usedInodes: 0, source: .fileSystem)
    }

    package func obstacleToRenaming(_ volume: Volume, in context: DriverContext) -> String? {
        // Unmounted, it would be lost; where nothing can be said, that is assumed.
        let isMounted = (try? Mounts.entry(at: context.mounts) != nil) ?? true
        return isMounted ? "its data is in memory, under its name" : nil
    }

    /// Does nothing: what is in memory would be lost.
    package func unmount(_ volume: Volume, in context: DriverContext) async throws {}

    package func release(_ volume: Volume, in context: DriverContext) async throws {
        try await BlockingWork.run {
            do {
                try Mounts.unmount(context.mounts)
                try Mountpoint(context.mounts).remove()
            } catch let error as SystemCallError where error.errno == .resourceBusy {
                throw VolumeError(
                    .inUse,
                    "volume '\(volume.name)' is in use: some process of this host works in '\(context.mounts)'")
            } catch {
                throw VolumeError(.io, "volume '\(volume.name)' cannot be unmounted", cause: error)
            }
        }
    }
}

extension TmpfsDriver: ResizableDriver {
    package func resize(
        _ volume: Volume, to size: ByteSize, in context: DriverContext
    ) async throws -> [String: String] {
        try await BlockingWork.run {
            // Else the next Mount has the new size.
            guard try Mounts.entry(at: context.mounts) != nil else { return volume.state }
            let used = try Self.usage(of: context.mounts).used
            guard used <= size.bytes else {
                throw VolumeError(
                    .invalidArgument,
                    "volume '\(volume.name)' cannot have the size \(size): it holds \(ByteSize(bytes: used)); delete "
                        + "something, or give it more")
            }
            do {
                try Self.settle(size, of: context.mounts)
            } catch {
                throw VolumeError(.io, "volume '\(volume.name)' cannot be resized to \(size)", cause: error)
            }
            return volume.state
        }
    }

    private static func usage(of path: FilePath) throws -> (total: UInt64, used: UInt64) {
        var status = statvfs()
        try MobyFSHost.check(statvfs(path.string, &status), "statvfs '\(path)'")
        let unit = UInt64(status.f_frsize)
        return (UInt64(status.f_blocks) * unit, UInt64(status.f_blocks - status.f_bfree) * unit)
    }

    /// Gives what is mounted a size, if it has another.
    private static func settle(_ size: ByteSize?, of path: FilePath) throws {
        guard let size else { return }
        let pages = size.bytes / pageSize + (size.bytes % pageSize == 0 ? 0 : 1)
        guard try usage(of: path).total != pages * pageSize else { return }
        try Mounts.reconfigure(path, type: "tmpfs", options: [("size", "\(size.bytes)")])
    }
}
