// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// cp, for all that is in a directory: with owners, modes, times, extended attributes, ACLs, hard links and holes, and with
/// blocks that both share where the file system can.
package enum TreeCopy {
    private static let copier = HelperProgram("cp", package: "coreutils")

    /// Folders in each other whose names take more than a path can have.
    package struct TooDeep: Error, CustomStringConvertible {
        package var description: String {
            "folders in it are too deep in each other for cp: move some of them up first"
        }
    }

    /// Copies what is in a directory, and what it has itself, into another one.
    ///
    /// - Parameters:
    ///   - source: A directory whose content somebody else owns, see ``SealedDirectory``.
    ///   - copy: A directory, which is made if it is not there.
    ///   - deadline: When to give up.
    /// - Throws: ``TooDeep``, ``HelperError`` or ``SystemCallError``; part of it may be there.
    package static func make(
        of source: FilePath, at copy: FilePath, until deadline: ContinuousClock.Instant
    ) async throws {
        do {
            try await SealedDirectory.with(source, for: .reading) { sealed in
                // "/." copies what is in the directory, and its owner and mode.
                try await copier.run(
                    [
                        "--archive", "--reflink=auto", "--one-file-system", "--no-target-directory", "--",
                        "\(sealed)/.", copy.string,
                    ], until: deadline)
            }
        } catch let error as HelperError where error.lines.contains(where: { $0.hasSuffix("File name too long") }) {
            throw TooDeep()
        }
        try await BlockingWork.run { try Directories.syncFileSystem(of: copy) }
    }
}
