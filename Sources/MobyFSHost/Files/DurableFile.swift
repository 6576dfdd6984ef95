// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage

/// Files and directory entries that survive a power cut once a call has returned.
package enum DurableFile {
    /// Writes a file whole or not at all: to a temporary file beside it, synced, then renamed over it.
    ///
    /// - Parameters:
    ///   - bytes: The new content.
    ///   - path: The file. The temporary one's name begins with `.new-`, whatever the length of the file's.
    ///   - permissions: The mode of the file.
    ///   - isDurable: Whether to wait for the disk. Without it the file is still whole or absent as long as the
    ///     machine runs.
    /// - Throws: ``SystemCallError``; the file is as it was.
    package static func write(
        _ bytes: some Sequence<UInt8>, to path: FilePath, permissions: FilePermissions = [.ownerReadWrite],
        isDurable: Bool = true
    ) throws {
        let unique = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        let temporary = path.removingLastComponent().appending(".new-\(unique)")
        do {
            try naming("write '\(path)'") {
                let file = try FileDescriptor.open(
                    temporary, .writeOnly, options: [.create, .exclusiveCreate, .noFollow, .closeOnExec],
                    permissions: permissions)
                try file.closeAfter {
                    try file.writeAll(bytes)
                    if isDurable { try sync(file) }
                }
            }
            try check(Glibc.rename(temporary.string, path.string), "rename '\(temporary)' to '\(path)'")
        } catch {
            unlink(temporary.string)
            throw error
        }
        if isDurable { try syncDirectory(path.removingLastComponent()) }
    }

    /// Renames a file or directory so that the new name survives a power cut, or the old one stays.
    package static func rename(_ path: FilePath, to other: FilePath) throws {
        let folders = Array(Set([path.removingLastComponent(), other.removingLastComponent()]))
        // Opened first: once it is renamed, only the sync itself may fail.
        let descriptors = try folders.map { folder in
            try naming("open '\(folder)'") {
                try FileDescriptor.open(folder, .readOnly, options: [.directory, .closeOnExec])
            }
        }
        defer { for descriptor in descriptors { close(descriptor.rawValue) } }
        try Files.rename(path, to: other)
        do {
            for (folder, descriptor) in zip(folders, descriptors) {
                try naming("sync '\(folder)'") { try sync(descriptor) }
            }
        } catch {
            // What the caller reports is what is so.
            try Files.rename(other, to: path)
            throw error
        }
    }

    /// Makes the entries of a directory survive a power cut.
    package static func syncDirectory(_ path: FilePath) throws {
        try naming("sync '\(path)'") {
            let directory = try FileDescriptor.open(path, .readOnly, options: [.directory, .closeOnExec])
            try directory.closeAfter { try sync(directory) }
        }
    }

    private static func sync(_ file: FileDescriptor) throws {
        guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
    }

    /// Reads a file whole.
    ///
    /// - Parameters:
    ///   - path: The file; a symbolic link at its end is refused.
    ///   - limit: The largest size accepted, in bytes.
    /// - Returns: All of it.
    /// - Throws: ``SystemCallError``, with `fileTooLarge` for one over the limit.
    package static func read(_ path: FilePath, limit: Int = 1 << 20) throws -> [UInt8] {
        try opened(path) { try readAll($0, limit: limit) }
    }

    /// The same, with which file it was: by now there may be another under its name.
    package static func readIdentified(
        _ path: FilePath, limit: Int = 1 << 20
    ) throws -> (bytes: [UInt8], file: FileID) {
        try opened(path) { file in
            let identity = try FileID(ofDescriptor: file.rawValue, named: path)
            return (try readAll(file, limit: limit), identity)
        }
    }

    private static func opened<Result>(_ path: FilePath, _ body: (FileDescriptor) throws -> Result) throws -> Result {
        try naming("read '\(path)'") {
            let file = try FileDescriptor.open(path, .readOnly, options: [.noFollow, .closeOnExec, .nonBlocking])
            return try file.closeAfter { try body(file) }
        }
    }

    static func readAll(_ file: FileDescriptor, limit: Int) throws -> [UInt8] {
        try withUnsafeTemporaryAllocation(byteCount: 16384, alignment: 1) { chunk in
            var bytes: [UInt8] = []
            while true {
                let count = try file.read(into: chunk)
                if count == 0 { return bytes }
                bytes.append(contentsOf: chunk[..<count])
                guard bytes.count <= limit else { throw Errno.fileTooLarge }
            }
        }
    }
}
