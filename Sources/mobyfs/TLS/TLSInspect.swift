// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import PluginCertificates

extension TLSCommand {
    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "inspect",
            abstract: "Show what certificates say, and whether they fit together.",
            discussion: "The exit status is 1 if anything is wrong or has expired.")

        @Argument(help: "A directory made by create, or any files. (default: \(TLSCommand.defaultDirectory))")
        var path: [String] = []

        @Option(help: "table or json.")
        var format = OutputFormat.table

        func run() throws {
            let inspection =
                path.isEmpty
                ? try CertificateInspection(of: CertificateSet(CertificateSet.defaultDirectory))
                : try CertificateInspection(paths: path.map(TLSCommand.path))
            let report = CertificateReport(inspection)
            print(format == .json ? String(decoding: report.json.encoded, as: UTF8.self) : report.text)
            guard inspection.isSound else { throw ExitCode(1) }
        }
    }
}
