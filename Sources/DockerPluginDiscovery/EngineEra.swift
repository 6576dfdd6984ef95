// SPDX-License-Identifier: Apache-2.0

/// Versions of Docker Engine that treat plugins alike.
public enum EngineEra: String, Hashable, Sendable, CaseIterable {
    /// Docker 1.12.
    case v1_12 = "1.12"
    /// Docker 1.13 to 17.12.
    case v1_13 = "1.13-17.12"
    /// Docker 18.03 to 20.10.
    case v18_03 = "18.03-20.10"
    /// Docker 23 and 24.
    case v23 = "23-24"
    /// Docker 25 and later; known up to 29.
    case v25 = "25-29"

    /// Whether engines list whatever they find below their folders, at any depth.
    var listsEverything: Bool { self == .v1_12 || self == .v1_13 }
}

/// What engines make of a plugin, and which engines.
public struct EraFinding: Hashable, Sendable {
    /// Engines that do the same, the oldest first.
    public var eras: [EngineEra]
    /// What they do, in sentences without a full stop.
    public var sentences: [String]

    /// The engines in words: `Docker 1.12 to 17.12`.
    public var label: String {
        if eras == EngineEra.allCases { return "every Docker Engine" }
        // Neighbours are one range.
        let ranges = eras.reduce(into: [ClosedRange<Int>]()) { ranges, era in
            let index = EngineEra.allCases.firstIndex(of: era) ?? 0
            if let last = ranges.last, last.upperBound + 1 == index {
                ranges[ranges.count - 1] = last.lowerBound...index
            } else {
                ranges.append(index...index)
            }
        }
        let words = ranges.map { range in
            let first = EngineEra.allCases[range.lowerBound].rawValue.split(separator: "-").first ?? ""
            let last = EngineEra.allCases[range.upperBound].rawValue.split(separator: "-").last ?? ""
            if range.upperBound == EngineEra.allCases.count - 1 { return "\(first) and later" }
            return first == last ? "\(first)" : "\(first) to \(last)"
        }
        return "Docker " + words.joined(separator: ", ")
    }
}

extension PluginDiscovery {
    /// What engines make of a name.
    ///
    /// - Parameter lookup: What they find.
    /// - Returns: What all of them do first; then what some do, from the oldest on.
    public func eras(_ lookup: PluginLookup) -> [EraFinding] {
        var order: [String] = []
        var erasOf: [String: [EngineEra]] = [:]
        for era in EngineEra.allCases {
            for sentence in sentences(lookup, era) {
                if erasOf[sentence] == nil { order.append(sentence) }
                erasOf[sentence, default: []].append(era)
            }
        }
        var findings: [EraFinding] = []
        for sentence in order {
            let eras = erasOf[sentence] ?? []
            if let index = findings.firstIndex(where: { $0.eras == eras }) {
                findings[index].sentences.append(sentence)
            } else {
                findings.append(EraFinding(eras: eras, sentences: [sentence]))
            }
        }
        let isOfAll = { (finding: EraFinding) in finding.eras == EngineEra.allCases }
        return findings.filter(isOfAll) + findings.filter { !isOfAll($0) }
    }

    private func sentences(_ lookup: PluginLookup, _ era: EngineEra) -> [String] {
        let isListed = scan(as: era).names.contains(lookup.name)
        var sentences: [String] = []
        if let endpoint = lookup.taken?.endpoint {
            sentences += call(endpoint.address, era)
            sentences.append(
                isListed
                    ? "'docker volume ls' finds it, and takes 15 s longer while nobody answers there"
                    : "'docker volume ls' does not find it: it is there when it is named")
        } else {
            sentences.append(
                lookup.taken == nil
                    ? "not found: looks again for 15 s and gives up"
                    : "cannot use the file: reads it again for 15 s and gives up")
            if isListed { sentences.append("'docker volume ls' finds it, and takes 15 s longer each time") }
        }
        if era != .v1_12 { sentences.append("a managed plugin of that name comes first") }
        if era == .v23 || era == .v25 {
            let first = era == .v23 ? "$XDG_CONFIG_HOME/docker/plugins" : "/etc/docker/plugins"
            sentences.append(
                "without root: looks for spec files in \(first) and $HOME/.local/lib/docker/plugins instead")
        }
        return sentences
    }

    private func call(_ address: PluginAddress, _ era: EngineEra) -> [String] {
        var sentences: [String] = []
        if case .unix = address.transport {
            switch era {
            case .v1_12, .v1_13: sentences.append("sends an empty Host field")
            case .v18_03: sentences.append("sends an empty Host field, before 20.10.26")
            case .v23: sentences.append("sends an empty Host field, before 23.0.7 and 24.0.5")
            case .v25: sentences.append("sends 'Host: plugin.moby.localhost'")
            }
        } else {
            sentences.append("goes through the proxy that its environment has in HTTP_PROXY, but for NO_PROXY")
            switch era {
            case .v1_12, .v1_13, .v18_03: sentences.append("tries 32 s to connect, also by ALL_PROXY")
            // Not known.
            case .v23: break
            case .v25: sentences.append("tries 10 s to connect")
            }
        }
        if era.listsEverything {
            sentences.append("waits for answers for ever")
        } else {
            sentences.append("waits 2 minutes for Create and Mount, 1 for other calls, for ever for Plugin.Activate")
        }
        return sentences
    }
}
