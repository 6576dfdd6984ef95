// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
package import SystemPackage

/// Puts a directory with all that is in it into a project.
///
/// Like ``TreeRemover`` it follows no symbolic link and stays on the mount it started on. It keeps one directory open,
/// however deep the tree is: it goes up by `..`, and only to where it came from. What is no file and no directory cannot
/// be opened without harm and takes no space worth counting: it is passed over, and so is a file that has names elsewhere.
package struct ProjectTree {
    /// Whose files may be taken.
    package enum Source: Hashable, Sendable {
        /// Everybody's.
        case any
        /// Those of one project.
        case project(UInt32)
        /// Those of no project; one that belongs to another is a ``Problem``.
        case unclaimed
    }

    /// Why a tree is not put into a project.
    package enum Problem: Error, Hashable, CustomStringConvertible {
        /// Something in it belongs to another project.
        case claimed(FilePath, by: UInt32)
        /// More is in it than was allowed for.
        case tooMany(Int)
        /// It took longer than it was given.
        case late
        /// Somebody has moved directories about in the meantime.
        case changed

        package var description: String {
            switch self {
            case .claimed(let path, let id): "'\(path)' belongs to project \(id)"
            case .tooMany(let limit): "it holds more than \(limit) files and directories"
            case .late: "it holds more files and directories than could be gone through in time"
            case .changed: "directories in it were moved while it was gone through"
            }
        }
    }

    /// A directory on the way down.
    private struct Level {
        /// Those of its directories that are still to be gone to.
        var directories: [DirectoryStream.Name]
        let device: dev_t
        let inode: ino_t
    }

    private let top: FilePath
    private let id: UInt32
    private let source: Source
    private let limit: Int
    private let deadline: ContinuousClock.Instant
    private var count = 0
    /// How many names were seen of each file that has several.
    private var seenNames: [ino_t: nlink_t] = [:]

    /// Puts a directory and what is in it into a project.
    ///
    /// Blocks. The directory itself is the last to be: as long as it is not in the project, the work is not done.
    ///
    /// - Parameters:
    ///   - path: The directory; one with a symbolic link on the way is refused.
    ///   - id: The project; 0 for none.
    ///   - source: Whose files may be taken.
    ///   - limit: How many there may be.
    ///   - deadline: When to give up.
    /// - Throws: ``Problem`` or ``SystemCallError``; some of it is in the project then.
    package static func assign(
        _ path: FilePath, to id: UInt32, from source: Source, atMost limit: Int = .max,
        until deadline: ContinuousClock.Instant
    ) throws {
        var tree = ProjectTree(top: path, id: id, source: source, limit: limit, deadline: deadline)
        try tree.walk(isSecond: false)
        let directory = try Directories.openReal(path)
        defer { close(directory) }
        try tree.take(directory, isDirectory: true, name: "")
        // What was made at the top in the meantime did not inherit it yet.
        guard id != 0 else { return }
        tree.count = 0
        tree.seenNames = [:]
        try tree.walk(isSecond: true)
    }

    private init(top: FilePath, id: UInt32, source: Source, limit: Int, deadline: ContinuousClock.Instant) {
        self.top = top
        self.id = id
        self.source = source
        self.limit = limit
        self.deadline = deadline
    }

    /// Goes through all that is below the top; the second time only through what is not in the project yet.
    private mutating func walk(isSecond: Bool) throws {
        var current = try Directories.openReal(top)
        defer { close(current) }
        var levels = [try enter(current, isSecond: isSecond)]
        while !levels.isEmpty {
            if let name = levels[levels.count - 1].directories.popLast() {
                // Gone in the meantime; or something is mounted there, and is not part of the tree.
                let child = mobyfs_open_beneath(current, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
                guard child >= 0 else { continue }
                close(current)
                current = child
                levels.append(try enter(current, isSecond: isSecond))
            } else {
                levels.removeLast()
                guard let parent = levels.last else { return }
                let up = try check(openat(current, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open '..' in '\(top)'")
                close(current)
                current = up
                let level = try level(of: current, directories: [])
                guard level.device == parent.device, level.inode == parent.inode else { throw Problem.changed }
            }
        }
    }

    private func level(of directory: CInt, directories: [DirectoryStream.Name]) throws -> Level {
        var status = stat()
        try check(fstat(directory, &status), "stat a directory in '\(top)'")
        return Level(directories: directories, device: status.st_dev, inode: status.st_ino)
    }

    /// Takes what is in a directory.
    ///
    /// - Returns: The directory, with those in it that are to be gone to.
    private mutating func enter(_ directory: CInt, isSecond: Bool) throws -> Level {
        let listing = try DirectoryStream(of: directory, named: top.string)
        var directories: [DirectoryStream.Name] = []
        while let name = try listing.next()?.name {
            var mark = CInt()
            let child = mobyfs_open_data_beneath(directory, name, &mark)
            // Gone, on another mount, or neither file nor directory.
            guard child >= 0 else { continue }
            defer { close(child) }
            let isDirectory = mark != 0
            guard try isDirectory || hasAllNamesHere(child) else { continue }
            let isNew = try take(child, isDirectory: isDirectory, name: DirectoryStream.text(name))
            if isDirectory, isNew || !isSecond { directories.append(DirectoryStream.copy(name)) }
        }
        return try level(of: directory, directories: directories)
    }

    /// Whether all names of a file were seen in the tree: one that has others is somebody else's too.
    private mutating func hasAllNamesHere(_ file: CInt) throws -> Bool {
        var status = stat()
        try check(fstat(file, &status), "stat a file in '\(top)'")
        guard status.st_nlink > 1 else { return true }
        seenNames[status.st_ino, default: 0] += 1
        return seenNames[status.st_ino, default: 0] >= status.st_nlink
    }

    /// Puts an open file or directory into the project if it is not there yet.
    ///
    /// - Returns: Whether it was not.
    @discardableResult
    private mutating func take(_ file: CInt, isDirectory: Bool, name: String) throws -> Bool {
        count += 1
        if count > limit { throw Problem.tooMany(limit) }
        if ContinuousClock.now > deadline { throw Problem.late }
        let path = top.appending(name)
        let wanted = ProjectMembership(id: id, inherits: isDirectory && id != 0)
        let present = try ProjectMembership(ofOpen: file, named: path.string)
        guard present != wanted else { return false }
        if present.id != id {
            switch source {
            case .any: break
            case .project(let other): guard present.id == other else { return false }
            case .unclaimed: guard present.id == 0 else { throw Problem.claimed(path, by: present.id) }
            }
        }
        try wanted.apply(toOpen: file, named: path.string)
        return true
    }
}
