// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Reads small files that somebody else may have put there.
///
/// Symbolic links are followed, as engines follow them. A FIFO or a device is refused rather than waited for.
package enum RegularFile {
    /// Reads a file whole.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - limit: The most bytes it may have.
    /// - Returns: Its content.
    /// - Throws: ``RegularFileError``.
    package static func read(_ path: String, limit: Int) throws -> [UInt8] {
        // Without O_NONBLOCK, opening a FIFO waits for a writer.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard file >= 0 else { throw RegularFileError(path, errno) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw RegularFileError(path, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw RegularFileError(path, "is no regular file") }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            guard count >= 0 else {
                if errno == EINTR { continue }
                throw RegularFileError(path, errno)
            }
            if count == 0 { return content }
            content += chunk[..<count]
            guard content.count <= limit else { throw RegularFileError(path, "has more than \(limit) bytes") }
        }
    }
}

/// Why a file was not read.
package struct RegularFileError: Error, CustomStringConvertible {
    /// What is wrong, beginning with the path.
    package let description: String
    /// The error number, if the kernel refused.
    package let code: CInt?

    init(_ path: String, _ problem: String) {
        description = "'\(path)' \(problem)"
        code = nil
    }

    init(_ path: String, _ code: CInt) {
        description = "'\(path)' cannot be read: \(String(cString: strerror(code)).lowercased())"
        self.code = code
    }
}
