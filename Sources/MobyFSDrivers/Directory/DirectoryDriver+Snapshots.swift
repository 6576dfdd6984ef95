// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
package import MobyFSVolumes
package import SystemPackage

extension DirectoryDriver: SnapshotDriver {
    package var contentName: String { "data" }

    /// A copy of each file; where the file system can, they share blocks.
    package func copyContent(
        of volume: Volume, from source: FilePath, to copy: FilePath, for purpose: CopyPurpose, isInUse: Bool,
        in context: DriverContext
    ) async throws {
        guard !isInUse else {
            throw VolumeError(
                .inUse,
                "volume '\(volume.name)' is in use, and its files would be copied one by one, each as of another moment: "
                    + "stop the containers that use it first")
        }
        guard await BlockingWork.run({ Directories.isRealDirectory(source) }) else {
            throw VolumeError(
                .unavailable, "'\(source)' is no folder, or a symbolic link, which is not followed: put the folder back"
            )
        }
        try await TreeCopy.make(of: source, at: copy, until: context.deadline)
    }

    /// The project that limits it is the volume's alone.
    package func stateOfCopy(of volume: Volume) -> [String: String] { [:] }
}
