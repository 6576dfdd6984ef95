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

/// What engines make of a plugin, and which.
public struct EraFinding: Hashable, Sendable {
    /// Engines that do the same, the oldest first.
    public var eras: [EngineEra]
    /// What they do, in sentences without a full stop.
    public var sentences: [String]
}

extension PluginDiscovery {
    /// What engines make of a name, those together that do the same.
    ///
    /// - Parameter lookup: What they find.
    /// - Returns: Findings from the oldest engines to the newest.
    public func eras(_ lookup: PluginLookup) -> [EraFinding] {
        var findings: [EraFinding] = []
        for era in EngineEra.allCases {
            let sentences = sentences(lookup, era)
            if findings.last?.sentences == sentences {
                findings[findings.count - 1].eras.append(era)
            } else {
                findings.append(EraFinding(eras: [era], sentences: sentences))
            }
        }
        return findings
    }

    private func sentences(_ lookup: PluginLookup, _ era: EngineEra) -> [String] {
        let isListed = scan(as: era).names.contains(lookup.name)
        var sentences: [String] = []
        if let endpoint = lookup.taken?.endpoint {
            sentences += call(endpoint.address, era)
            sentences.append(
                isListed
                    ? "docker volume ls finds it, and takes 15 s longer while nobody answers there"
                    : "docker volume ls does not find it: it is there when it is named")
        } else {
            sentences.append(
                lookup.taken == nil
                    ? "not found: the engine looks again for 15 s and gives up"
                    : "refused: the engine reads the file again for 15 s and gives up")
            if isListed { sentences.append("docker volume ls finds it, and takes 15 s longer each time") }
        }
        if era != .v1_12 { sentences.append("a managed plugin of that name comes first") }
        if era == .v23 || era == .v25 {
            let first = era == .v23 ? "$XDG_CONFIG_HOME/docker/plugins" : "/etc/docker/plugins"
            sentences.append(
                "a rootless engine looks for spec files in \(first) and $HOME/.local/lib/docker/plugins")
        }
        return sentences
    }

    private func call(_ address: PluginAddress, _ era: EngineEra) -> [String] {
        var sentences: [String] = []
        if case .unix = address.transport {
            switch era {
            case .v1_12, .v1_13: sentences.append("sends requests with an empty Host field")
            case .v18_03: sentences.append("sends requests with an empty Host field (not from 20.10.26 on)")
            case .v23: sentences.append("sends requests with an empty Host field (not from 23.0.7 and 24.0.5 on)")
            case .v25: sentences.append("sends requests with 'Host: plugin.moby.localhost'")
            }
        } else {
            let variables =
                era == .v23 || era == .v25 ? "HTTP_PROXY and NO_PROXY" : "HTTP_PROXY, NO_PROXY and ALL_PROXY"
            sentences.append("goes through a proxy if its own environment has \(variables)")
            switch era {
            case .v1_12, .v1_13, .v18_03: sentences.append("tries 32 s to connect")
            // Not known.
            case .v23: break
            case .v25: sentences.append("tries 10 s to connect")
            }
        }
        sentences.append(
            era.listsEverything
                ? "waits for an answer for ever"
                : "waits 2 minutes for Create and Mount, 1 for other calls, and for ever for Plugin.Activate")
        return sentences
    }
}
