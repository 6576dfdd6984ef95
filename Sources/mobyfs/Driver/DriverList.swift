// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import MobyFSDaemon

extension DriverCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls",
            abstract: "List the kinds of storage that a volume can have.")

        @Option(help: "table or json.")
        var format = OutputFormat.table

        @Flag(name: .shortAndLong, help: "Print names only.")
        var quiet = false

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                let reply = try await daemon.call(ListDrivers())
                let drivers = reply.answer.drivers
                if quiet {
                    for driver in drivers { print(TerminalText.line(driver.name)) }
                } else if format == .json {
                    print(reply.text(of: "drivers"))
                } else {
                    let header = ["NAME", "CHOSEN BY", "SIZE=", "STATE", "STORAGE"]
                    for line in TerminalText.table([header] + drivers.map(Self.row)) { print(line) }
                }
            }
        }

        private static func row(_ driver: DriverDescription) -> [String] {
            [
                driver.name, ((driver.isDefault ? ["default"] : []) + driver.selectors).joined(separator: ", "),
                driver.unlimitedReason == nil ? "enforced" : "refused",
                driver.lacks.isEmpty ? "ready" : "lacks \(driver.lacks.count)", driver.summary,
            ]
        }
    }
}
