// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient
import DockerPluginDiscovery

/// One line of `mobyfs plugin ls`.
struct ListedPlugin: Sendable {
    /// What came of asking the plugin.
    enum State: String {
        case answered
        /// It cannot be reached, or answers with something else than a plugin does.
        case failed
        case timedOut = "timed out"
        case notAsked = "not asked"
        /// Its file cannot be used, or none is found under the name that engines list.
        case unusable
        case enabled, disabled
    }

    let name: String
    /// `socket`, `spec`, `json`, or `managed`.
    let kind: String
    let address: String
    var state: State
    var implements: [String] = []
    /// The time to answer.
    var time: Duration?
    /// What is wrong, the worst first.
    var notes: [String] = []
    /// The file it was found by, where there is one.
    var file: String?

    var row: [String] {
        let more = notes.count > 1 ? " (and \(notes.count - 1) more: mobyfs plugin discover \(name))" : ""
        return [
            name, kind, address, state.rawValue, implements.joined(separator: ","), time?.short ?? "",
            notes.first.map { $0 + more } ?? "",
        ]
    }

    var json: JSONValue {
        [
            "name": .string(name), "kind": .string(kind), "address": .string(address), "state": .string(state.rawValue),
            "implements": .array(implements.map { .string($0) }),
            "milliseconds": time.map { .number($0.milliseconds) } ?? .null, "file": file.map { .string($0) } ?? .null,
            "notes": .array(notes.map { .string($0) }),
        ]
    }
}

extension ListedPlugin {
    /// Finds a plugin, and asks it what it implements.
    ///
    /// - Parameters:
    ///   - name: Its name, from a list.
    ///   - discovery: Where to find it.
    ///   - isAsked: Whether it is asked at all.
    ///   - end: When its answer comes too late.
    init?(_ name: String, _ discovery: PluginDiscovery, isAsked: Bool, until end: ContinuousClock.Instant) async {
        // A file may have a name that no plugin can have.
        guard let lookup = try? discovery.lookUp(name) else { return nil }
        guard let taken = lookup.taken else {
            self.init(
                name: name, kind: "", address: "", state: .unusable,
                notes: ["engines list it, look for '\(name).sock', '\(name).spec' and '\(name).json', and find none"])
            return
        }
        self.init(
            name: name, kind: taken.form.rawValue, address: taken.endpoint.map { "\($0.address)" } ?? "",
            state: .notAsked,
            file: taken.path)
        let shadowed = lookup.candidates.filter { $0.verdict == .shadowed }.map { "shadows '\($0.path)'" }
        let remarks = taken.remarks + shadowed
        guard let endpoint = taken.endpoint else {
            state = .unusable
            notes = [taken.problem ?? ""] + remarks
            return
        }
        if isAsked { await ask(endpoint, until: end) }
        notes += remarks
    }

    private mutating func ask(_ endpoint: PluginEndpoint, until end: ContinuousClock.Instant) async {
        let start = ContinuousClock.now
        guard start < end else {
            notes.append("no time was left to ask it")
            return
        }
        var configuration = PluginClient.Configuration()
        configuration.retries = .none
        configuration.callLimit = end - start
        configuration.connectLimit = end - start
        configuration.bodyLimit = 64 << 10
        do {
            implements = try await PluginClient(endpoint, configuration: configuration).activate()
            state = .answered
            time = .now - start
            if implements.isEmpty { notes.append("it says that it implements nothing") }
        } catch {
            state = (error as? PluginClientError)?.code == .timedOut ? .timedOut : .failed
            notes.append("\(error)")
        }
    }
}

extension Duration {
    fileprivate var milliseconds: Double {
        // Tenths are enough.
        (Double(components.seconds) * 10_000 + (Double(components.attoseconds) / 1e14).rounded()) / 10
    }

    fileprivate var short: String { milliseconds < 1000 ? "\(milliseconds) ms" : inSeconds }
}
