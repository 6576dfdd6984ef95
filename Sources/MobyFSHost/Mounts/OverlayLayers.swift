// SPDX-License-Identifier: Apache-2.0

/// How an overlay names the folders that it is made of.
///
/// Source: Documentation/filesystems/overlayfs.rst of Linux.
package enum OverlayLayers {
    /// The types of file system that have them.
    package static let types: Set<String> = ["overlay", "fuse.fuse-overlayfs"]

    /// The mount options that name them.
    package static let options: Set<String> = ["lowerdir", "lowerdir+", "datadir+", "upperdir", "workdir"]

    /// Those of `/a:/b`; a backslash keeps a colon.
    package static func folders(in list: String) -> [String] {
        var folders = [""]
        var isKept = false
        for character in list {
            if character == "\\", !isKept {
                isKept = true
                continue
            }
            if character == ":", !isKept { folders.append("") } else { folders[folders.count - 1].append(character) }
            isKept = false
        }
        return folders
    }
}
