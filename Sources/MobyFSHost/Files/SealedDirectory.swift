// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// A directory as helper programs see it, whose content belongs to a container.
///
/// cp, tar and du take paths, one name after the other, and between two of them whoever owns the content can put a link
/// to anywhere in place of a folder. So they get it through a mount of its own, which is at no place and gone with its
/// descriptor. There the kernel follows no symbolic link at all (they are copied as ever), nothing is below that is mounted
/// inside of the directory, no device can be opened, and nothing changed unless that is what they are to do.
package enum SealedDirectory {
    /// What helpers do with it.
    package enum Use: Sendable { case reading, writing }

    /// Works with a sealed directory.
    ///
    /// A kernel before 5.14 cannot follow no links, and who is not allowed to mount cannot have it either: they work with
    /// the directory itself.
    ///
    /// - Parameters:
    ///   - directory: The directory.
    ///   - use: What it is for.
    ///   - isolation: The caller's.
    ///   - body: What to do with it, by a path for this process and its children. What a ``HelperError`` says of that path, it
    ///     says of the directory's.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``SystemCallError`` if the directory cannot be opened.
    @discardableResult
    package static func with<Result>(
        _ directory: FilePath, for use: Use, isolation: isolated (any Actor)? = #isolation,
        _ body: (FilePath) async throws -> Result
    ) async throws -> Result {
        guard let mount = try await BlockingWork.run({ try open(directory, for: use) }) else {
            return try await body(directory)
        }
        defer { close(mount) }
        let path = FilePath("/proc/\(getpid())/fd/\(mount)")
        do {
            return try await body(path)
        } catch var error as HelperError {
            error.lines = error.lines.map { $0.replacing("\(path)/.", with: directory.string) }
            throw error
        }
    }

    /// Makes the mount; nil where this kernel, or somebody, does not let this process.
    ///
    /// Blocks.
    private static func open(_ directory: FilePath, for use: Use) throws -> CInt? {
        let access = use == .reading ? MOBYFS_MOUNT_RDONLY.rawValue : 0
        let mount = mobyfs_open_sealed(directory.string, access)
        if mount >= 0 { return mount }
        switch -mount {
        case ENOSYS, EPERM, EINVAL: return nil
        case let reason: throw SystemCallError("open '\(directory)'", Errno(rawValue: reason))
        }
    }
}
