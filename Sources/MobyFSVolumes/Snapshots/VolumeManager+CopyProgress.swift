// SPDX-License-Identifier: Apache-2.0

import Logging
import MobyFSHost
import Synchronization
import SystemPackage

/// How far a copy of a volume's data has come, in bytes on the disk.
package struct CopyProgress: Sendable {
    package let copied: UInt64
    package let total: UInt64
}

/// The copies that are being made, by the volume that is waited for.
final class CopyWatch: Sendable {
    struct Copy: Sendable {
        let source: FilePath
        let target: FilePath
        /// How much there is to copy, once somebody has asked.
        var total: UInt64?
    }

    private let copies = Mutex<[VolumeName: Copy]>([:])

    subscript(name: VolumeName) -> Copy? {
        get { copies.withLock { $0[name] } }
        set { copies.withLock { $0[name] = newValue } }
    }

    /// Counts a copy as being made while `body` runs.
    func during<Result>(
        _ name: VolumeName, from source: FilePath, to target: FilePath, _ body: () async throws -> Result
    ) async rethrows -> Result {
        self[name] = Copy(source: source, target: target)
        defer { self[name] = nil }
        return try await body()
    }
}

extension VolumeManager {
    /// How long somebody who asks how far it is can wait.
    private static let patience = Duration.seconds(10)

    /// How far the copy has come that a snapshot, a restore or the creation of a volume waits for.
    ///
    /// Looks at what is there already: who asks again and again pays for it.
    ///
    /// - Returns: Nil if nothing is being copied, or it cannot be seen.
    package func copyProgress(of text: String) async -> CopyProgress? {
        guard let name = try? VolumeName(text), let copy = copies[name] else { return nil }
        do {
            let total: UInt64
            if let known = copy.total { total = known } else { total = try await Self.size(of: copy.source) }
            copies[name]?.total = total
            return CopyProgress(copied: try await Self.size(of: copy.target), total: total)
        } catch {
            logger.debug("it cannot be seen how far a copy is", metadata: ["error": "\(error)"])
            return nil
        }
    }

    private static func size(of path: FilePath) async throws -> UInt64 {
        let deadline = ContinuousClock.now + patience
        let file = try await BlockingWork.run(until: deadline, "look at '\(path)'") {
            Directories.isRealDirectory(path) ? nil : try SparseFile(path).allocatedBytes
        }
        if let file { return file }
        return try await walk(path.string, counting: "--block-size=1", until: deadline)
    }
}
