// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// The project quotas of one file system: how much the files of a project use, and how much they may.
///
/// Files belong to projects by number; see ``ProjectMembership``. ext4 and xfs have them. All calls block.
package struct ProjectQuota: ~Copyable {
    /// What a file system does about projects.
    package enum State: Hashable, Sendable {
        /// The kernel or the type of file system has no project quotas.
        case impossible
        /// They are not switched on.
        case off
        /// The usage is counted, and nobody is held to a limit.
        case counting
        /// Limits hold.
        case enforcing
    }

    /// What one project uses and may use.
    package struct Usage: Hashable, Sendable {
        package let id: UInt32
        /// How much its files may take on disk; nil for as much as there is.
        package let limitBytes: UInt64?
        package let usedBytes: UInt64
        /// How many files and directories belong to it.
        package let usedInodes: UInt64
        /// Whether somebody has set a soft limit, or one for the number of files.
        package let hasOtherLimits: Bool

        /// Whether nobody has the project.
        package var isFree: Bool { limitBytes == nil && !hasOtherLimits && usedBytes == 0 && usedInodes == 0 }

        fileprivate init(_ quota: mobyfs_quota) {
            id = quota.id
            limitBytes = quota.limit_bytes == 0 ? nil : quota.limit_bytes
            usedBytes = quota.used_bytes
            usedInodes = quota.used_inodes
            hasOtherLimits = quota.has_other_limits != 0
        }
    }

    private let path: FilePath
    private let descriptor: CInt
    /// How kernels before 5.14 are told the file system; nil where the descriptor does it.
    private let device: String?

    /// Opens the quotas of the file system that a directory is on.
    ///
    /// - Parameters:
    ///   - path: An existing directory.
    ///   - byDevice: Whether to ask as kernels before 5.14 want it, by the block device; nil finds out.
    /// - Throws: ``SystemCallError`` if the directory cannot be opened.
    package init(of path: FilePath, byDevice: Bool? = nil) throws {
        let descriptor = try check(open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open '\(path)'")
        var (target, counts, enforces) = (mobyfs_quota_target(fd: descriptor, device: nil), CInt(), CInt())
        let isUnknown = mobyfs_project_quota_state(&target, &counts, &enforces) == ENOSYS
        do {
            device = byDevice ?? isUnknown ? try Self.device(of: path) : nil
        } catch {
            close(descriptor)
            throw error
        }
        self.path = path
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    /// The node of the block device that a directory is on; nil where there is none, and so no quotas.
    private static func device(of path: FilePath) throws -> String? {
        let number = try MountLocation(of: path, in: MountTable()).covering.device
        // No such file: it is not on a block device.
        guard let bytes = try? DurableFile.read(FilePath("/sys/dev/block/\(number)/uevent")) else { return nil }
        let line = bytes.split(separator: UInt8(ascii: "\n")).first { $0.starts(with: "DEVNAME=".utf8) }
        return line.map { "/dev/" + String(decoding: $0.dropFirst("DEVNAME=".utf8.count), as: UTF8.self) }
    }

    /// What the file system does about projects.
    package func state() throws -> State {
        var (counts, enforces) = (CInt(), CInt())
        let reason = withTarget { mobyfs_project_quota_state($0, &counts, &enforces) }
        switch reason {
        case 0: return enforces != 0 ? .enforcing : counts != 0 ? .counting : .off
        // Each kernel and file system has its own way of saying no.
        case ENOSYS, ENOTSUP, ENOTTY, EINVAL, ENODEV, ENOTBLK: return .impossible
        default: throw SystemCallError("ask for the project quotas of '\(path)'", Errno(rawValue: reason))
        }
    }

    /// Whether there are projects that can have limits, be they enforced or not.
    package func isOn() throws -> Bool {
        switch try state() {
        case .counting, .enforcing: true
        case .impossible, .off: false
        }
    }

    /// What a project uses and may use.
    package func usage(of id: UInt32) throws -> Usage {
        var quota = mobyfs_quota()
        let reason = withTarget { mobyfs_get_project_quota($0, id, &quota) }
        try require(reason, "ask for the quota of project \(id) of '\(path)'")
        return Usage(quota)
    }

    /// The first project, from a number on, that uses or may use anything; nil if there is none.
    package func next(from id: UInt32) throws -> Usage? {
        var quota = mobyfs_quota()
        let reason = withTarget { mobyfs_next_project_quota($0, id, &quota) }
        if reason == ENOENT || reason == ESRCH { return nil }
        try require(reason, "ask for the quotas of '\(path)'")
        return Usage(quota)
    }

    /// Sets how much a project may use.
    ///
    /// Its other limits are taken away. The kernel forgets a project that has no limit and no files.
    ///
    /// - Parameters:
    ///   - limit: A number of bytes, which is rounded up to 1024; nil for as much as there is.
    ///   - id: The project.
    /// - Throws: ``SystemCallError`` if the kernel refuses.
    package func setLimit(_ limit: UInt64?, of id: UInt32) throws {
        let reason = withTarget { mobyfs_set_project_quota($0, id, limit ?? 0) }
        try require(reason, "set the quota of project \(id) of '\(path)'")
    }

    private func require(_ reason: CInt, _ call: String) throws {
        if reason != 0 { throw SystemCallError(call, Errno(rawValue: reason)) }
    }

    private func withTarget(_ body: (UnsafePointer<mobyfs_quota_target>) -> CInt) -> CInt {
        var target = mobyfs_quota_target(fd: descriptor, device: nil)
        guard let device else { return body(&target) }
        return device.withCString { name in
            target.device = name
            return body(&target)
        }
    }
}
