// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Logging
import MobyFSHost
import MobyFSVolumes
import SystemPackage

/// Finds out whether other hosts have the data folder too.
struct PoolSharing {
    let configuration: Configuration
    let isManaged: Bool
    let logger: Logger

    /// What is to be said to other hosts; nil where there are none.
    ///
    /// - Throws: ``ConfigurationError`` if hosts cannot share the folder that is to be shared.
    func make() async throws -> SharedPool? {
        let folder = configuration.dataDirectory
        switch (SharedFileSystem(of: await resolved(folder), in: try MountTable()), configuration.isShared) {
        case (_, false?), (.local, nil): return nil
        case (.unlocked(let type, let advice), let wanted):
            let problem =
                "'\(folder)' is on \(type), which does not carry locks to other hosts: "
            guard wanted == true else {
                throw ConfigurationError(
                    problem + "\(advice); or say \(Setting.shared.rawValue)=false if no other host uses the folder")
            }
            throw ConfigurationError(problem + advice)
        case (.local(let type), true?):
            logger.warning(
                "the data folder is to be shared, and is on a file system of this host; is the shared one not mounted?",
                metadata: ["file.path": "\(folder)", "file_system.type": "\(type)"])
        case (.shared(let type), _):
            logger.notice(
                "other hosts with this data folder have the same volumes",
                metadata: ["file.path": "\(folder)", "file_system.type": "\(type)"])
        }
        guard !isManaged else {
            throw ConfigurationError(
                "'\(folder)' is shared with other hosts, which a managed plugin cannot tell what it has mounted: install "
                    + "the mobyfs package instead")
        }
        return SharedPool(
            root: folder, runtimeDirectory: configuration.runtimeDirectory, hostName: ProcessInfo.processInfo.hostName)
    }

    /// The folder with symbolic links followed, as far as its storage answers.
    private func resolved(_ folder: FilePath) async -> FilePath {
        do {
            return try await BlockingWork.run(until: .now + .seconds(5), "look at '\(folder)'") {
                Directories.resolve(folder)
            }
        } catch {
            logger.error("the storage of the data folder does not answer", metadata: ["error": "\(error)"])
            return folder
        }
    }
}
