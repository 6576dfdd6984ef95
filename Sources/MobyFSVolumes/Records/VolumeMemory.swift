// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
package import SystemPackage

/// The names of a pool's volumes, kept on the host itself: for a start without the disk that the pool is on.
///
/// An engine that gets no answer about a volume waits for one, and one that is told "not there" forgets it, and makes an
/// empty volume of its own in its place.
package struct VolumeMemory: Sendable {
    private let directory: FilePath
    private var file: FilePath { directory.appending("volumes") }

    /// - Parameter directory: A folder of this daemon alone, outside of the pool, that outlives a boot.
    package init(in directory: FilePath) {
        self.directory = directory
    }

    /// Reads what was written last.
    ///
    /// - Parameter pool: Whose volumes.
    /// - Returns: Nil if nothing is known of that pool.
    /// - Throws: ``SystemCallError``.
    func names(of pool: FilePath) throws -> [VolumeName]? {
        let bytes: [UInt8]
        do {
            bytes = try DurableFile.read(file, limit: 1 << 28)
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
            return nil
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        guard let first = lines.first, first == pool.string else { return nil }
        return lines.dropFirst().compactMap { try? VolumeName(String($0)) }
    }

    /// Writes down which volumes there are: a line with the pool, and a line for each.
    ///
    /// - Parameters:
    ///   - names: Of all volumes.
    ///   - pool: Whose they are.
    /// - Throws: ``SystemCallError``; what was written before is there.
    func save(_ names: [VolumeName], of pool: FilePath) throws {
        try Directories.create(directory, mode: 0o700)
        let lines = [pool.string] + names.map(\.description)
        try DurableFile.write(lines.map { $0 + "\n" }.joined().utf8, to: file)
    }
}
