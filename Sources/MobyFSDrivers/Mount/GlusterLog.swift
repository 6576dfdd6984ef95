// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// The log that the client of GlusterFS writes for a mountpoint.
///
/// Source: glusterfs(8), set_log_file_path() of glusterfsd.c.
struct GlusterLog {
    private static let folder: FilePath = "/var/log/glusterfs"

    /// Where it is, unless `log-file=` says otherwise.
    let path: FilePath
    /// The mount option that is needed for it to be there; nil if the client does so by itself.
    let option: String?

    init(for mountpoint: FilePath) {
        let name = mountpoint.components.map(\.string).joined(separator: "-") + ".log"
        // The client fails where its file can have no such name.
        let isName = name.utf8.count <= 255
        path = Self.folder.appending(isName ? name : "mobyfs.log")
        option = isName ? nil : path.string
    }
}
