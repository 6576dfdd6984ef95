// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage

/// A directory that is open, to read many files in it: what is above it is gone through once.
package final class OpenDirectory: Sendable {
    package let path: FilePath
    private let descriptor: CInt

    /// - Throws: ``SystemCallError``.
    package init(_ path: FilePath) throws {
        self.path = path
        descriptor = try check(
            path.withPlatformString { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }, "open '\(path)'")
    }

    deinit { close(descriptor) }

    /// Reads a file whole, as ``DurableFile/read(_:limit:)``.
    ///
    /// - Parameters:
    ///   - name: The file, below the directory.
    ///   - limit: The largest size accepted, in bytes.
    /// - Returns: All of it.
    /// - Throws: ``SystemCallError``, with `fileTooLarge` for one over the limit.
    package func read(_ name: String, limit: Int = 1 << 20) throws -> [UInt8] {
        try naming("read '\(path.appending(name))'") {
            let file = openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
            guard file >= 0 else { throw Errno(rawValue: errno) }
            return try FileDescriptor(rawValue: file).closeAfter {
                try DurableFile.readAll(FileDescriptor(rawValue: file), limit: limit)
            }
        }
    }
}
