// SPDX-License-Identifier: Apache-2.0

import Glibc

/// One name in a directory, and what is behind it.
struct DirectoryEntry {
    let path: String
    let name: String
    /// Of the entry itself, symbolic links not followed: `S_IFLNK`, for example.
    let kind: mode_t

    /// The name without its last extension, as Go's `filepath.Ext` sees it.
    var stem: String { name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name }
    /// The last extension with its dot; empty if there is none.
    var suffix: String { name.lastIndex(of: ".").map { String(name[$0...]) } ?? "" }

    /// The entries of a directory in the order of their names; none if there is no directory.
    ///
    /// - Throws: ``RegularFileError`` if it cannot be read.
    static func list(_ directory: String) throws(RegularFileError) -> [DirectoryEntry] {
        guard let stream = opendir(directory) else {
            if errno == ENOENT || errno == ENOTDIR { return [] }
            throw RegularFileError(directory, errno)
        }
        defer { closedir(stream) }
        var entries: [DirectoryEntry] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            let path = "\(directory)/\(name)"
            // Some file systems do not tell the kind along with the name.
            let told = mode_t(entry.pointee.d_type) << 12
            guard name != ".", name != "..", let kind = told != 0 ? told : kind(of: path, followingLinks: false)
            else { continue }
            entries.append(DirectoryEntry(path: path, name: name, kind: kind))
        }
        return entries.sorted { $0.name < $1.name }
    }

    /// What kind of file is at a path; nil, and an `errno`, if there is none.
    static func kind(of path: String, followingLinks: Bool) -> mode_t? {
        var status = stat()
        let result = followingLinks ? stat(path, &status) : lstat(path, &status)
        return result == 0 ? status.st_mode & S_IFMT : nil
    }
}
