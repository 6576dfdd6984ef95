// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import SystemPackage

extension CertificateSet {
    /// Puts a whole set in place: in one step where that can be, else file by file.
    ///
    /// One step it is if the directory has nothing else in it, and is neither a mountpoint nor on a file system that
    /// cannot exchange directories.
    func install(_ contents: [File: String]) throws {
        let parent = directory.removingLastComponent()
        try Directories.create(parent, mode: 0o755)
        let staging = parent.appending(".\(directory.lastComponent?.string ?? "tls").new")
        let exists = Directories.isDirectory(directory) != nil
        let names = exists ? try Directories.entries(of: directory) : []
        guard Set(names).isSubset(of: File.allCases.map(\.rawValue)), access(parent.string, W_OK) == 0 else {
            return try replace(contents)
        }
        let lock = try stage(contents, in: staging)
        defer { withExtendedLifetime(lock) { Self.discard(staging) } }
        guard exists else { return try DurableFile.rename(staging, to: directory) }
        var status = stat()
        try check(stat(directory.string, &status), "stat '\(directory)'")
        try Directories.set(owner: status.st_uid, group: status.st_gid, mode: status.st_mode & 0o7777, of: staging)
        do {
            try Files.exchange(staging, with: directory)
        } catch let error as SystemCallError
            where [.resourceBusy, .improperLink, .invalidArgument, .noFunction].contains(error.errno)
        {
            // A mountpoint, of the same file system or of another, or a file system that does not know how.
            return try replace(contents)
        }
        try DurableFile.syncDirectory(parent)
    }

    /// Replaces files one by one, keys before certificates, once all are written.
    func replace(_ contents: [File: String]) throws {
        for file in contents.keys where Directories.isDirectory(path(of: file)) == true {
            throw CertificateSetError("'\(path(of: file))' is a directory: it is in the way of the file of that name")
        }
        let staging = directory.appending(".new")
        let lock = try stage(contents, in: staging)
        defer { withExtendedLifetime(lock) { Self.discard(staging) } }
        for file in contents.keys.filter(\.isKey) + contents.keys.filter({ !$0.isKey }) {
            try Files.rename(staging.appending(file.rawValue), to: path(of: file))
        }
        try DurableFile.syncDirectory(directory)
    }

    /// Writes files to a directory of their own, which is locked as long as the result lives.
    private func stage(_ contents: [File: String], in staging: FilePath) throws -> DirectoryLock {
        do {
            if Directories.isDirectory(staging) != nil {
                // Another process has left it when it was killed, unless it still holds the lock.
                try withExtendedLifetime(DirectoryLock(staging)) { try TreeRemover.remove(staging) }
            }
            try Directories.create(staging, mode: 0o700)
            let lock = try DirectoryLock(staging)
            for (file, text) in contents {
                let permissions: FilePermissions = file.isKey ? .keyFile : .certificateFile
                let path = staging.appending(file.rawValue)
                try DurableFile.write(text.utf8, to: path, permissions: permissions)
                // Whatever the process's umask is.
                try check(chmod(path.string, permissions.rawValue), "chmod '\(path)'")
            }
            return lock
        } catch let error
            where error is DirectoryLock.Held || (error as? SystemCallError)?.errno == .noSuchFileOrDirectory
        {
            // The lock is another's, or what another has taken for a leftover was this directory, or the reverse.
            throw CertificateSetError(
                "another process is making certificates in '\(directory)': wait until it has ended")
        } catch {
            Self.discard(staging)
            throw error
        }
    }

    private static func discard(_ staging: FilePath) {
        // What stays is in nobody's way, and goes with the next call.
        try? TreeRemover.remove(staging)
    }
}

extension FilePermissions {
    static let keyFile: FilePermissions = [.ownerReadWrite]
    static let certificateFile: FilePermissions = [.ownerReadWrite, .groupRead, .otherRead]
}

extension Files {
    /// Whether there is anything at a path, be it a symbolic link to nowhere.
    static func exists(_ path: FilePath) -> Bool {
        var status = stat()
        return lstat(path.string, &status) == 0
    }
}
