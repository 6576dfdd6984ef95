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
    static func path(_ text: String) throws -> FilePath {
        // What a shell makes of a variable that is not set is no word for this directory.
        guard !text.isEmpty else { throw ValidationError("an empty path names nothing: give a directory or a file") }
        return FilePath(FileManager.default.currentDirectoryPath).pushing(FilePath(text))
    }
}
