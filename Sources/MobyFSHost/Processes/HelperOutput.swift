// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import Glibc
import SystemPackage

/// Memory that a helper program writes its output to.
///
/// Not a pipe: a helper that leaves a daemon behind would keep that open, and the daemon would die of it when it is
/// closed. What does not fit the helper cannot write (`EPERM`), so that none fills the memory.
final class HelperOutput: Sendable {
    static let limit = 1 << 20

    let descriptor: FileDescriptor

    init() throws {
        let result = mobyfs_bounded_memory("output", UInt64(Self.limit))
        guard result >= 0 else { throw SystemCallError("memfd_create", Errno(rawValue: -result)) }
        descriptor = FileDescriptor(rawValue: result)
    }

    deinit {
        close(descriptor.rawValue)
    }

    /// What was written so far.
    var text: String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while bytes.count < Self.limit {
            let count = pread(descriptor.rawValue, &chunk, chunk.count, off_t(bytes.count))
            // The rest of the memory was not written to.
            guard count > 0, chunk[0] != 0 else { break }
            bytes += chunk[..<count]
        }
        let end = bytes.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0
        return String(decoding: bytes[..<end], as: UTF8.self)
    }

    /// The last lines that are not empty, fit to be shown.
    ///
    /// - Parameters:
    ///   - limit: How many at most.
    ///   - hidden: What is not to be shown, not even a part of it that is left when a line is cut.
    /// - Returns: The lines.
    func lastLines(_ limit: Int = 20, hiding hidden: [String]) -> [String] {
        let shown = hidden.filter { !$0.isEmpty }.reduce(text) { text, word in
            text.split(separator: word, omittingEmptySubsequences: false).joined(separator: "***")
        }
        let lines = shown.split(whereSeparator: \.isNewline).suffix(4 * limit).map { line in
            String(
                line.unicodeScalars.filter { $0.properties.generalCategory != .control }.suffix(500).map(Character.init)
            )
            .trimmingSpaces()
        }
        return lines.filter { !$0.isEmpty }.suffix(limit)
    }
}

extension String {
    fileprivate func trimmingSpaces() -> String {
        let start = drop { $0.isWhitespace }
        return String(
            start.prefix(
                start.lastIndex { !$0.isWhitespace }.map { start.distance(from: start.startIndex, to: $0) + 1 } ?? 0))
    }
}
