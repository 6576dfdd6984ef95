// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// Mounting and unmounting in this process, for file systems that answer at once: those of this host.
package enum Mounts {
    /// An option, as mount(8) takes it after `-o`.
    package typealias Option = (key: String, value: String?)

    /// What is mounted exactly at a path, topmost.
    ///
    /// The mount table alone is asked: looking at a file system whose server is dead can take forever.
    package static func entry(at path: FilePath) throws -> MountEntry? {
        try MountTable().entries.last { $0.mountpoint == path }
    }

    /// Mounts a file system.
    ///
    /// Blocks. Commas and percent signs in values mean nothing; `ro`, `noatime`, `private` and their kin are understood.
    ///
    /// - Parameters:
    ///   - type: What is at the source, such as `ext4`.
    ///   - source: A block device, or what else the type takes; `none` for none.
    ///   - path: The mountpoint.
    ///   - options: In the order in which the file system is to read them.
    /// - Throws: ``MountError``; nothing is left mounted.
    package static func mount(
        type: String, source: String, at path: FilePath, options: [Option] = []
    ) throws {
        var flags = MountFlags()
        let own = options.filter { !flags.take($0.key, $0.value) }
        // fsconfig(2) takes no longer ones.
        if own.contains(where: { ($0.value?.utf8.count ?? 0) > 255 }) || source.utf8.count > 255 {
            try mountClassically(type: type, source: source, at: path, flags: flags, options: own)
        } else {
            let context = try FileSystemContext(type: type, source: source)
            for flag in flags.superblock { try context.set(flag, nil) }
            for option in own { try context.set(option.key, option.value) }
            try context.mount(at: path, attributes: flags.attributes)
        }
        try set(flags.propagation, of: path, type: type, source: source)
    }

    /// Changes options of a file system that is mounted.
    ///
    /// Those of the mount, such as `nosuid`, stay as they are. Blocks.
    ///
    /// - Parameters:
    ///   - path: The mountpoint.
    ///   - type: What is mounted there, for messages.
    ///   - options: What to change.
    /// - Throws: ``MountError``; nothing is changed.
    package static func reconfigure(_ path: FilePath, type: String, options: [Option]) throws {
        let context = try FileSystemContext(changing: path, type: type)
        for option in options { try context.set(option.key, option.value) }
        try context.reconfigure(at: path)
    }

    /// Whether the kernel has a type of file system, be it in a module that is not loaded yet.
    ///
    /// Blocks.
    package static func knows(type: String) -> Bool {
        mobyfs_knows_filesystem(type) == 0
    }

    /// Lets the kernel check options without mounting anything.
    ///
    /// Blocks.
    ///
    /// - Throws: ``MountError`` with the kernel's words, for the first that it does not take.
    package static func check(type: String, options: [Option]) throws {
        var flags = MountFlags()
        let own = options.filter { !flags.take($0.key, $0.value) && ($0.value?.utf8.count ?? 0) <= 255 }
        let context = try FileSystemContext(type: type, source: nil)
        for option in own { try context.set(option.key, option.value) }
    }

    /// Mounts a directory, or a file, a second time.
    ///
    /// - Parameters:
    ///   - source: What to mount.
    ///   - path: Where.
    ///   - isRecursive: Whether what is mounted below the source comes along.
    ///   - options: `ro`, `nosuid` and their kin; the rest is refused, for a file system that is mounted has its options.
    /// - Throws: ``MountError``; nothing is left mounted.
    package static func bind(
        _ source: FilePath, at path: FilePath, recursive isRecursive: Bool = false, options: [Option] = []
    ) throws {
        var flags = MountFlags()
        if let other = options.first(where: { !flags.take($0.key, $0.value) }) {
            throw MountError(
                type: "bind", source: source.string, path: path, errno: .invalidArgument,
                messages: ["option '\(other.key)' does not go with a bind mount"])
        }
        let recursion = isRecursive ? UInt(MS_REC) : 0
        guard Glibc.mount(source.string, path.string, nil, UInt(MS_BIND) | recursion, nil) == 0 else {
            throw MountError(type: "bind", source: source.string, path: path, errno: Errno(rawValue: errno))
        }
        // Nothing that happens to it is to happen to the source: unmounting it would unmount what is mounted there too.
        guard Glibc.mount("none", path.string, nil, UInt(MS_PRIVATE | MS_REC), nil) == 0 else {
            let reason = Errno(rawValue: errno)
            umount2(path.string, noFollow)
            throw MountError(type: "bind", source: source.string, path: path, errno: reason)
        }
        // The first call ignores all other flags: mount(2).
        let classic = flags.classic
        if classic != 0,
            Glibc.mount("none", path.string, nil, UInt(MS_REMOUNT | MS_BIND) | classic, nil) != 0
        {
            let reason = Errno(rawValue: errno)
            umount2(path.string, CInt(MNT_DETACH) | noFollow)
            throw MountError(type: "bind", source: source.string, path: path, errno: reason)
        }
        try set(flags.propagation, of: path, type: "bind", source: source.string)
    }

    /// Unmounts what is topmost at a path; fine if nothing is.
    ///
    /// - Parameters:
    ///   - path: The mountpoint.
    ///   - isDetaching: Whether to take it out of sight now and let the kernel clean up when nobody uses it any more.
    /// - Throws: ``SystemCallError``, with `resourceBusy` if it is in use and is so for a second.
    package static func unmount(_ path: FilePath, detaching isDetaching: Bool = false) throws {
        let deadline = ContinuousClock.now + .seconds(1)
        var reason: Errno
        repeat {
            guard umount2(path.string, (isDetaching ? CInt(MNT_DETACH) : 0) | noFollow) != 0 else { return }
            reason = Errno(rawValue: errno)
            guard reason == .resourceBusy else { break }
            // Who looks around on the host is at work in it for a moment, and so is a process that is just being started: until
            // it is, it has all that this one has open.
            usleep(20_000)
        } while .now < deadline
        // EINVAL: no mountpoint.
        if reason == .noSuchFileOrDirectory { return }
        if reason == .invalidArgument, try entry(at: path) == nil { return }
        throw SystemCallError("unmount '\(path)'", reason)
    }

    private static let noFollow = CInt(UMOUNT_NOFOLLOW)

    /// mount(2): for values that are too long for fsconfig(2).
    private static func mountClassically(
        type: String, source: String, at path: FilePath, flags: MountFlags, options: [Option]
    ) throws {
        func failure(_ reason: Errno, _ messages: [String] = []) -> MountError {
            MountError(type: type, source: source, path: path, errno: reason, messages: messages)
        }
        var parts: [String] = []
        for (key, value) in options {
            // No way to say it; overlay alone reads a backslash before it.
            if let value, value.contains(","), type != "overlay" {
                throw failure(
                    .invalidArgument, ["option '\(key)' has a comma in a list of values of more than 255 bytes"])
            }
            let escaped = value.map {
                $0.split(separator: ",", omittingEmptySubsequences: false).joined(separator: "\\,")
            }
            parts.append(escaped.map { "\(key)=\($0)" } ?? key)
        }
        let data = parts.joined(separator: ",")
        // One page, with its end.
        guard data.utf8.count < 4096 else { throw failure(Errno(rawValue: E2BIG), ["the options are too long"]) }
        var all = flags.classic
        if flags.superblock.contains("sync") { all |= UInt(MS_SYNCHRONOUS) }
        if flags.superblock.contains("dirsync") { all |= UInt(MS_DIRSYNC) }
        let result = data.withCString { Glibc.mount(source, path.string, type, all, UnsafeRawPointer($0)) }
        guard result == 0 else { throw failure(Errno(rawValue: errno)) }
    }

    private static func set(_ propagation: UInt?, of path: FilePath, type: String, source: String) throws {
        guard let propagation, Glibc.mount("none", path.string, nil, propagation, nil) != 0 else { return }
        let reason = Errno(rawValue: errno)
        umount2(path.string, CInt(MNT_DETACH) | noFollow)
        throw MountError(type: type, source: source, path: path, errno: reason)
    }
}
