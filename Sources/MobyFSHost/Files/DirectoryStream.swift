// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// An open directory that is read name by name.
///
/// A name is any bytes but `/` and 0: what a container has named in no encoding at all is another name once it was text,
/// and of that there is no file.
struct DirectoryStream: ~Copyable {
    /// A name, and the 0 at its end.
    typealias Name = [CChar]

    /// What the directory says of a name, which is there until the next one is read.
    struct Entry {
        let name: UnsafePointer<CChar>
        let inode: ino_t
        /// Nil where the file system does not say so here.
        let isDirectory: Bool?
    }

    private let stream: OpaquePointer
    private let path: String

    /// Reads an open directory, which is closed at the end.
    ///
    /// - Parameters:
    ///   - descriptor: The directory, open for reading.
    ///   - path: What it is called in messages.
    /// - Throws: ``SystemCallError``; it is closed.
    init(takingOver descriptor: CInt, named path: String) throws {
        guard let stream = fdopendir(descriptor) else {
            let reason = Errno(rawValue: errno)
            close(descriptor)
            throw SystemCallError("read directory '\(path)'", reason)
        }
        self.stream = stream
        self.path = path
    }

    /// Reads an open directory, which stays open and where it is.
    init(of directory: CInt, named path: String) throws {
        let descriptor = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        try self.init(takingOver: check(descriptor, "open a directory in '\(path)'"), named: path)
    }

    deinit { closedir(stream) }

    /// The next name but `.` and `..`; nil at the end.
    func next() throws -> Entry? {
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw SystemCallError("read directory '\(path)'", Errno(rawValue: errno)) }
                return nil
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)
            }
            guard strcmp(name, ".") != 0, strcmp(name, "..") != 0 else { continue }
            let kind = Int(entry.pointee.d_type)
            return Entry(
                name: name, inode: entry.pointee.d_ino, isDirectory: kind == DT_UNKNOWN ? nil : kind == DT_DIR)
        }
    }

    /// Begins anew.
    func rewind() { rewinddir(stream) }

    /// A copy of a name, to keep.
    static func copy(_ name: UnsafePointer<CChar>) -> Name {
        Array(UnsafeBufferPointer(start: name, count: strlen(name) + 1))
    }

    /// A name as messages have it.
    static func text(_ name: UnsafePointer<CChar>) -> String { String(cString: name) }
}
