// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPlugin
import DockerPluginDiscovery

extension PluginCommand {
    struct Discover: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "discover",
            abstract: "Show how engines find a plugin, and what they make of it.",
            discussion: """
                Nothing is sent to the plugin. The exit status is 0 if engines can use what they find, 1 if they \
                cannot, and 2 if they find nothing.
                """)

        @Argument(help: "The plugin's name.")
        var name: String

        @Option(help: "table or json.")
        var format = OutputFormat.table

        @Flag(help: "The same as --format json.")
        var json = false

        @OptionGroup var directories: Directories

        func run() throws {
            let discovery = directories.discovery
            let lookup: PluginLookup
            do {
                lookup = try discovery.lookUp(name)
            } catch let error {
                PluginCommand.complain(error, name: name, in: directories)
                throw Status.unreachable
            }
            let strays = discovery.strays(of: name)
            if json || format == .json {
                print(TerminalText.json(Self.describe(lookup, strays, discovery.eras(lookup)).encoded))
            } else if !lookup.candidates.isEmpty || !strays.isEmpty {
                for line in Self.lines(lookup, strays, discovery.eras(lookup)) { print(TerminalText.line(line)) }
            }
            do {
                _ = try lookup.endpoint
            } catch {
                guard error.isMissing else { throw Status.refused }
                PluginCommand.complain(error, name: name, in: directories)
                throw Status.unreachable
            }
        }
    }
}

// MARK: - For people

extension PluginCommand.Discover {
    static func lines(_ lookup: PluginLookup, _ strays: [String], _ findings: [EraFinding]) -> [String] {
        var rows: [[String]] = []
        for candidate in lookup.candidates {
            rows.append([
                word(for: candidate.verdict), candidate.path, candidate.endpoint.map { "\($0.address)" } ?? "",
            ])
        }
        for stray in strays { rows.append(["not looked at", stray, ""]) }
        var lines = TerminalText.table(rows)
        if let taken = lookup.taken {
            if let problem = taken.problem { lines += ["", "engines refuse it: \(problem)"] }
            if let tls = taken.endpoint?.tls { lines += [""] + describe(tls) }
            if !taken.remarks.isEmpty { lines += [""] + taken.remarks.map { "note: \($0)" } }
        }
        for finding in findings {
            lines += ["", "\(finding.label):"]
            lines += finding.sentences.map { "  \($0)" }
        }
        return lines
    }

    private static func word(for verdict: PluginCandidate.Verdict) -> String {
        switch verdict {
        case .taken: "taken"
        case .shadowed: "shadowed"
        case .passedOver(let reason): "passed over (\(reason))"
        }
    }

    private static func describe(_ tls: SpecTLS) -> [String] {
        var lines = [
            tls.verifies
                ? "the plugin's certificate is checked against '\(tls.caFile)' and the system's authorities"
                : "the plugin's certificate is not checked"
        ]
        if !tls.certFile.isEmpty { lines.append("the engine shows the certificate '\(tls.certFile)'") }
        return lines
    }
}

// MARK: - For programs

extension PluginCommand.Discover {
    static func describe(
        _ lookup: PluginLookup, _ strays: [String], _ findings: [EraFinding]
    ) -> JSONValue {
        [
            "name": .string(lookup.name), "usable": .bool(lookup.taken?.endpoint != nil),
            "files": .array(lookup.candidates.map(describe)), "notLookedAt": .array(strays.map { .string($0) }),
            "engines": .array(
                findings.map { finding in
                    [
                        "versions": .array(finding.eras.map { .string($0.rawValue) }),
                        "findings": .array(finding.sentences.map { .string($0) }),
                    ]
                }),
        ]
    }

    private static func describe(_ candidate: PluginCandidate) -> JSONValue {
        var members: [String: JSONValue] = [
            "path": .string(candidate.path), "form": .string(candidate.form.rawValue),
            "address": candidate.endpoint.map { .string("\($0.address)") } ?? .null,
            "problem": candidate.problem.map { .string($0) } ?? .null,
            "remarks": .array(candidate.remarks.map { .string($0) }),
        ]
        switch candidate.verdict {
        case .taken: members["verdict"] = "taken"
        case .shadowed: members["verdict"] = "shadowed"
        case .passedOver(let reason):
            members["verdict"] = "passed over"
            members["reason"] = .string(reason)
        }
        if let tls = candidate.endpoint?.tls {
            members["tls"] = [
                "checksPlugin": .bool(tls.verifies), "caFile": .string(tls.caFile), "certFile": .string(tls.certFile),
                "keyFile": .string(tls.keyFile),
            ]
        }
        return .object(members)
    }
}
