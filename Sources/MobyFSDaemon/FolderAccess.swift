// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
package import SystemPackage

/// Who gets through the daemon's folders to the volumes below: root alone, and one group.
///
/// Programs in volumes may be set-uid; whoever could reach them on the host would be their owner (CVE-2021-41091 was
/// this). Engines with user namespaces have to pass all the same, as the first group that their containers are given.
package struct FolderAccess: Sendable {
    /// The name that such engines use unless told otherwise (`"userns-remap": "default"`).
    private static let remapped = "dockremap:"

    /// The pool: the group it has, the other folders get.
    let data: FilePath
    /// Where subordinate groups are kept, see subgid(5).
    let subordinateGroups: FilePath

    package init(data: FilePath, subordinateGroups: FilePath = "/etc/subgid") {
        self.data = data
        self.subordinateGroups = subordinateGroups
    }

    /// Lets nobody else through a folder; earlier versions made them for all.
    ///
    /// Another mode, or group, that somebody has chosen stays.
    package func narrow(_ directory: FilePath) throws {
        // What cannot be looked at is told of elsewhere.
        let own = (try? Directories.group(of: data)) ?? 0
        try Directories.narrow(directory, from: 0o711, to: 0o710, group: own == 0 ? remappedGroup() : own)
    }

    private func remappedGroup() throws -> gid_t? {
        do {
            let lines = String(decoding: try DurableFile.read(subordinateGroups), as: UTF8.self).split(separator: "\n")
            // dockremap:165536:65536
            return lines.first { $0.hasPrefix(Self.remapped) }
                .flatMap { gid_t($0.dropFirst(Self.remapped.count).prefix { $0 != ":" }) }
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
            return nil
        }
    }
}
