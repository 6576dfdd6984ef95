// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import SystemPackage

/// A path on the command line counts from where the user is.
enum AbsolutePath {
    static func of(_ path: String) -> String {
        guard !path.isEmpty, !path.hasPrefix("/") else { return path }
        return FilePath(FileManager.default.currentDirectoryPath).pushing(FilePath(path)).string
    }
}
