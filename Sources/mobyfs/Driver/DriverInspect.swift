// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import MobyFSDaemon
import MobyFSVolumes

extension DriverCommand {
    struct Inspect: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "inspect",
            abstract: "Show the options of one kind of storage, and what this host lacks for it.",
            discussion: """
                The exit status is 0 if the driver is there, even if this host lacks something for it, 1 if it is not, \
                and 2 if the daemon cannot be asked or the command makes no sense.
                """)

        @Argument(help: "The driver's name.", completion: .driverNames)
        var name: String

        @Option(help: "table or json.")
        var format = OutputFormat.table

        @OptionGroup var daemon: DaemonOptions

        func run() async throws {
            try await reportingFailure {
                let reply = try await daemon.call(ListDrivers())
                let drivers = reply.answer.drivers
                guard let index = drivers.firstIndex(where: { $0.name == name }) else {
                    throw CommandFailure(Suggestion.complaint("driver", name, known: drivers.map(\.name)))
                }
                if format == .json {
                    print(TerminalText.json((reply.json["drivers"]?.array?[index] ?? .null).encoded))
                } else {
                    for line in Self.lines(drivers[index]) { print(TerminalText.line(line)) }
                }
            }
        }
    }
}

// MARK: - For people

extension DriverCommand.Inspect {
    static func lines(_ driver: DriverDescription) -> [String] {
        let choice = ["driver=\(driver.name)"] + driver.selectors + (driver.isDefault ? ["no option: the default"] : [])
        var lines = [
            "\(driver.name): \(driver.summary)", "chosen by: \(choice.joined(separator: ", "))",
            "size=: \(driver.unlimitedReason.map { "refused here: \($0)" } ?? "enforced")",
        ]
        if !driver.isLasting { lines.append("data: gone after a reboot") }
        lines += driver.lacks.map { "lacks: \($0)" }
        let own = driver.options.filter { !$0.isCommon }
        let common = driver.options.filter(\.isCommon)
        if !own.isEmpty { lines += ["", "options:"] + own.flatMap(Self.lines) }
        if !common.isEmpty { lines += ["", "options of all drivers:"] + common.flatMap(Self.lines) }
        return lines
    }

    private static func lines(_ option: DriverDescription.Option) -> [String] {
        var lines = ["  \(option.name)", "      \(option.help)"]
        let standard = option.defaultValue.map { " (default: \($0))" } ?? ""
        lines.append("      value: \(option.syntax)\(standard)")
        if option.isSecret { lines.append("      secret: its value is shown nowhere") }
        if !option.aliases.isEmpty { lines.append("      also called: \(option.aliases.joined(separator: ", "))") }
        return lines
    }
}
