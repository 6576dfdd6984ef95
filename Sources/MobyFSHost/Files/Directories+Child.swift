// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// Swift does not see the C macro, for it is of GNU alone.
private let O_PATH: CInt = 0o10_000_000

extension Directories {
    /// Opens a directory in another one, and makes it if it is missing.
    ///
    /// For places that others write to, who may put anything there at any time: no link is followed, and nothing that is
    /// mounted there is entered. Blocks.
    ///
    /// - Parameters:
    ///   - name: Its name, without a folder.
    ///   - parent: Where it is.
    ///   - isChanged: Whether `body` changes it; else one that cannot be read will do.
    ///   - body: What to do with its descriptor.
    /// - Throws: What `body` does, or ``SystemCallError``, which says what is there instead.
    package static func withChild(
        _ name: String, of parent: FilePath, isChanged: Bool, _ body: (CInt) throws -> Void
    ) throws {
        let directory = try check(
            open(parent.string, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "open '\(parent)'")
        defer { close(directory) }
        let path = parent.appending(name)
        let access = O_DIRECTORY | O_NOFOLLOW
        var child = mobyfs_open_beneath(directory, name, access | (isChanged ? O_RDONLY : O_PATH))
        if child == -ENOENT {
            let isNew = mkdirat(directory, name, 0o755) == 0
            guard isNew || errno == EEXIST else { throw SystemCallError("mkdir '\(path)'", Errno(rawValue: errno)) }
            child = mobyfs_open_beneath(directory, name, access | O_RDONLY)
            // Whatever the process's umask is.
            if isNew, child >= 0 { fchmod(child, 0o755) }
        }
        guard child >= 0 else {
            throw SystemCallError("open '\(path)', \(kind(of: name, in: directory))", Errno(rawValue: -child))
        }
        defer { close(child) }
        try body(child)
    }

    private static func kind(of name: String, in directory: CInt) -> String {
        var status = stat()
        guard fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return "which cannot be looked at" }
        return switch status.st_mode & S_IFMT {
        case S_IFLNK: "which is a symbolic link"
        case S_IFDIR: "which is a directory"
        default: "which is a file"
        }
    }
}
