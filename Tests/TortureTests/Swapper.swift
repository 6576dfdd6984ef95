// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import Synchronization
import SystemPackage

/// Lets folders and links to folders outside change places, as fast as the kernel does it: a container that waits for the
/// moment between a look and a step.
final class Swapper: Sendable {
    private let count = Atomic<Int>(0)
    private let isEnding = Atomic<Bool>(false)

    /// How often two changed places.
    var swaps: Int { count.load(ordering: .relaxed) }

    /// Swaps while `body` runs.
    ///
    /// - Parameters:
    ///   - pairs: Names in the folder that change places.
    ///   - folder: The folder, which may be moved meanwhile.
    ///   - body: What goes on at the same time.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws, and an error if the folder is not there.
    func swapping<Result: Sendable>(
        _ pairs: [(String, String)], in folder: FilePath, _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        let directory = try check(open(folder.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open '\(folder)'")
        defer { close(directory) }
        isEnding.store(false, ordering: .relaxed)
        async let ended: Void = BlockingWork.run { [self] in
            let place = FilePath("/proc/self/fd/\(directory)")
            let paths = pairs.map { (place.appending($0.0), place.appending($0.1)) }
            while !isEnding.load(ordering: .relaxed) {
                for (one, other) in paths {
                    // Gone: that is what goes on.
                    guard (try? Files.exchange(one, with: other)) != nil else { continue }
                    count.add(1, ordering: .relaxed)
                }
            }
        }
        do {
            let result = try await body()
            isEnding.store(true, ordering: .relaxed)
            await ended
            return result
        } catch {
            isEnding.store(true, ordering: .relaxed)
            await ended
            throw error
        }
    }
}
