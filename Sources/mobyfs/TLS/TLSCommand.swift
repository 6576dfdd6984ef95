// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import PluginCertificates
import SystemPackage

struct TLSCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tls",
        abstract: "Make and inspect the certificates by which mobyfs and engines know each other.",
        subcommands: [Create.self, Inspect.self])

    static let defaultDirectory = CertificateSet.defaultDirectory.string

    /// A path on the command line counts from where the user is.
    static func path(_ text: String) -> FilePath {
        FilePath(FileManager.default.currentDirectoryPath).pushing(FilePath(text))
    }
}
