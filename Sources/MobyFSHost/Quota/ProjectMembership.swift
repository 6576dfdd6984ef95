// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// Which project of its file system a file or directory belongs to.
///
/// A file's owner may change it, without any capability, unless in a user namespace (Linux 4.5 to 6.18,
/// `fileattr_set_prepare`): quotas of projects bind programs that do not know of them, and no attacker.
package struct ProjectMembership: Hashable, Sendable {
    package var id: UInt32
    /// Whether what is created in the directory belongs to the project too.
    package var inherits: Bool

    package init(id: UInt32, inherits: Bool) {
        self.id = id
        self.inherits = inherits
    }

    /// What every file has before somebody says otherwise.
    package static let none = ProjectMembership(id: 0, inherits: false)

    /// Asks for a directory's.
    ///
    /// - Throws: ``SystemCallError``; where the file system knows no projects, every directory is in none.
    package init(of path: FilePath) throws {
        let descriptor = try check(open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open '\(path)'")
        defer { close(descriptor) }
        do {
            self = try Self(ofOpen: descriptor, named: path.string)
        } catch let error as SystemCallError where [.notSupported, .invalidArgument].contains(error.errno) {
            self = .none
        } catch let error as SystemCallError where error.errno.rawValue == ENOTTY {
            self = .none
        }
    }

    init(ofOpen descriptor: CInt, named name: @autoclosure () -> String) throws {
        var (id, inherits) = (UInt32(), CInt())
        let reason = mobyfs_get_project(descriptor, &id, &inherits)
        guard reason == 0 else {
            throw SystemCallError("ask for the project of '\(name())'", Errno(rawValue: reason))
        }
        self.init(id: id, inherits: inherits != 0)
    }

    /// Gives it to a directory.
    package func apply(to path: FilePath) throws {
        let descriptor = try check(open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open '\(path)'")
        defer { close(descriptor) }
        try apply(toOpen: descriptor, named: path.string)
    }

    func apply(toOpen descriptor: CInt, named name: @autoclosure () -> String) throws {
        let reason = mobyfs_set_project(descriptor, id, inherits ? 1 : 0)
        guard reason == 0 else {
            throw SystemCallError("put '\(name())' into project \(id)", Errno(rawValue: reason))
        }
    }
}
