// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import FoundationEssentials
import MobyFSDaemon

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what is not in order with the volumes and on this host, and repair it.",
        discussion: """
            Nothing is changed without --fix, and no data is lost with it. The exit status is 0 if all is in order, \
            1 if something is left that is not, and 2 if the daemon cannot be asked or the command makes no sense.
            """)

    @Flag(help: "Repair what can be.")
    var fix = false

    @Option(help: "table or json.")
    var format = OutputFormat.table

    @OptionGroup var daemon: DaemonOptions

    /// A finding, and what came of it.
    private struct Shown {
        let finding: FindingDetails
        var isRepaired = false
        var failure: String?

        var json: JSONValue {
            var members: [String: JSONValue] = [
                "kind": .string(finding.kind), "subject": .string(finding.subject), "reason": .string(finding.reason),
                "advice": .string(finding.advice), "repairable": .bool(finding.isRepairable),
                "repaired": .bool(isRepaired),
            ]
            if let failure { members["failure"] = .string(failure) }
            return .object(members)
        }

        var lines: [String] {
            let outcome =
                if let failure {
                    "not repaired: \(failure)"
                } else if isRepaired {
                    "done: \(finding.advice)"
                } else {
                    (finding.isRepairable ? "would " : "please ") + finding.advice
                }
            return ["\(finding.subject) (\(finding.kind)): \(finding.reason)", "    \(outcome)"]
        }
    }

    func run() async throws {
        try await reportingFailure {
            var shown = HostDoctor(try daemon.configuration()).findings().map { Shown(finding: $0) }
            var unasked: CommandFailure?
            do {
                // One repair can show what else is wrong.
                var known: Set<String> = []
                repeat {
                    let new = try await daemon.call(Diagnose()).answer.findings.filter { known.insert($0.id).inserted }
                    if new.isEmpty { break }
                    for finding in new { shown.append(try await outcome(of: finding)) }
                } while fix
            } catch let error as CommandFailure {
                // What this host shows is told all the same.
                unasked = error
            }
            // Of a pool that is away it cannot be said which volumes are not in it.
            if shown.contains(where: { $0.finding.kind == "pool" }) { shown.removeAll { $0.finding.kind == "mount" } }
            switch format {
            case .json: print(TerminalText.json(JSONValue.array(shown.map(\.json)).encoded))
            case .table: for line in shown.flatMap(\.lines) { print(TerminalText.line(line)) }
            }
            if let unasked { throw unasked }
            let left = shown.filter { !$0.isRepaired }
            summarize(shown.count, left: left.count, repairable: left.count(where: \.finding.isRepairable))
            guard left.isEmpty else { throw ExitCode.failure }
        }
    }

    private func outcome(of finding: FindingDetails) async throws -> Shown {
        guard fix, finding.isRepairable else { return Shown(finding: finding) }
        do {
            _ = try await daemon.call(Repair(id: finding.id))
            return Shown(finding: finding, isRepaired: true)
        } catch let error as CommandFailure where error.status == 1 {
            return Shown(finding: finding, failure: "\(error)")
        }
    }

    private func summarize(_ count: Int, left: Int, repairable: Int) {
        guard count > 0 else { return TerminalText.complain("mobyfs: all is in order") }
        let hint = fix || repairable == 0 ? "" : ", of which \"mobyfs doctor --fix\" repairs \(repairable)"
        TerminalText.complain("mobyfs: \(count) found, \(left) left\(hint)")
    }
}
