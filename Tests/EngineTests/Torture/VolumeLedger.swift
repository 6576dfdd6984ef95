// SPDX-License-Identifier: Apache-2.0

import TortureSupport

/// What the engine acknowledged of volumes, and what must therefore be so.
///
/// It is fed with the lines of ``HostLoad``: `do` before a call, `ok` when it was acknowledged, `no` when it failed. A
/// call of which only the first is known may have come about or not.
struct VolumeLedger {
    struct Volume {
        let options: [String: String]
        /// The lines that were written to its file and synced.
        var lines: [String] = []

        var isLasting: Bool { options["type"] != "tmpfs" }
    }

    enum Presence {
        case there(Volume)
        case gone
        /// A call that was cut off may have made or removed it.
        case unsure(Volume)
    }

    /// What the host has of a volume.
    struct Found {
        let options: [String: String]
        let lines: [String]
    }

    private(set) var volumes: [String: Presence] = [:]
    /// How many calls were acknowledged.
    private(set) var acknowledged = 0
    /// How long the slowest call took.
    private(set) var slowestMilliseconds = 0
    private(set) var findings: [TortureFinding] = []

    /// The volumes that are there for sure, or may be.
    var names: [String] {
        volumes.compactMap { name, presence in if case .gone = presence { nil } else { name } }.sorted()
    }

    /// How long a call may take, unless there is a reason.
    static let patience = Duration.seconds(15)

    /// Takes in a line of the load: `do|ok|no CALL VOLUME MILLISECONDS [REST]`.
    mutating func note(_ line: String, patience: Duration = patience) {
        let words = line.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: false).map(String.init)
        guard words.count >= 4, let milliseconds = Int(words[3]) else { return }
        let (outcome, call, name, rest) = (words[0], words[1], words[2], words.count > 4 ? words[4] : "")
        slowestMilliseconds = max(slowestMilliseconds, milliseconds)
        if .milliseconds(milliseconds) > patience {
            findings.append(.init(.hung, "'\(call)' of '\(name)' took \(milliseconds) ms and said: \(rest)"))
        }
        if outcome == "ok" { acknowledged += 1 }
        switch (outcome, call, volumes[name]) {
        case ("do", "create", _): volumes[name] = .unsure(Volume(options: Self.options(rest)))
        case ("ok", "create", .unsure(let volume)): volumes[name] = .there(volume)
        case ("ok", "write", .there(var volume)):
            volume.lines.append(rest)
            volumes[name] = .there(volume)
        case ("do", "rm", .there(let volume)): volumes[name] = .unsure(volume)
        case ("ok", "rm", _): volumes[name] = .gone
        case ("no", _, _) where rest.contains("in use") && !rest.contains("container name"):
            findings.append(.init(.leaked, "'\(call)' of '\(name)', which nobody uses: \(rest)"))
        default: break
        }
    }

    /// What is in memory only is gone, which is as it should be.
    mutating func forgetMemory() {
        for (name, presence) in volumes {
            switch presence {
            case .there(var volume) where !volume.isLasting:
                volume.lines = []
                volumes[name] = .there(volume)
            case .unsure(var volume) where !volume.isLasting:
                volume.lines = []
                volumes[name] = .unsure(volume)
            default: break
            }
        }
    }

    /// Compares all with what is there, and goes on from that.
    mutating func compare(with found: [String: Found]) {
        for (name, presence) in volumes {
            switch (presence, found[name]) {
            case (.gone, nil): break
            case (.gone, .some): findings.append(.init(.wrong, "'\(name)' was removed and is back"))
            case (.there, nil): findings.append(.init(.lost, "'\(name)' was created and is not there"))
            case (.there(let volume), .some(let found)):
                if found.options != volume.options {
                    findings.append(.init(.lost, "'\(name)' has options \(found.options), not \(volume.options)"))
                }
                compare(name, volume, found)
            case (.unsure, nil): volumes[name] = .gone
            case (.unsure(let volume), .some(let found)):
                compare(name, volume, found)
                // The engine may not know the options of what it did not finish to create.
                volumes[name] = .there(Volume(options: found.options, lines: found.lines))
            }
        }
        for name in found.keys where volumes[name] == nil {
            findings.append(.init(.wrong, "'\(name)' is there and nobody created it"))
        }
    }

    private mutating func compare(_ name: String, _ volume: Volume, _ found: Found) {
        let missing = Set(volume.lines).subtracting(found.lines)
        if !missing.isEmpty {
            findings.append(.init(.lost, "'\(name)' (\(volume.options)) lacks the lines \(missing.sorted())"))
        }
    }

    private static func options(_ text: String) -> [String: String] {
        text.split(separator: " ").reduce(into: [:]) { all, option in
            let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
            all[parts[0]] = parts.count > 1 ? parts[1] : ""
        }
    }
}

/// Something that torture brought to light.
struct TortureFinding: Sendable, CustomStringConvertible {
    let kind: Torture.Loss
    let text: String

    init(_ kind: Torture.Loss, _ text: String) {
        (self.kind, self.text) = (kind, text)
    }

    var description: String { "\(kind): \(text)" }
}
