// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient

extension Check {
    private static let source = "moby pkg/plugins/plugins.go activateWithLock, every engine"

    /// What engines look for, to the letter.
    private static let knownSubsystems = [
        "VolumeDriver", "NetworkDriver", "IpamDriver", "authz", "LogDriver", "MetricsCollector", "GraphDriver",
    ]

    /// How a plugin says hello.
    static let activation: [Check] = [
        Check(
            "activate-answers", .required,
            "Plugin.Activate, sent without a body, is answered with 200 and a JSON object",
            source: source, needs: .nothing
        ) { session in
            let exchange = await session.activate()
            try exchange.value()
            return "\(exchange)"
        },
        Check(
            "activate-implements", .required, "Implements is a list of texts and not empty",
            source: "\(source): anything else is remembered until the engine is restarted", needs: .nothing
        ) { session in
            let exchange = await session.activate()
            let entries = try exchange.valueIfAny()["Implements"]?.array
            guard let entries, !entries.isEmpty, entries.allSatisfy({ $0.string?.isEmpty == false }) else {
                throw exchange.violation("engines find nothing in it that the plugin implements")
            }
            return "\(exchange)"
        },
        Check(
            "activate-known", .advised, "Implements lists what engines know, to the letter",
            source: "\(source): names are compared exactly", needs: .nothing
        ) { session in
            let exchange = await session.activate()
            guard let entries = try exchange.valueIfAny()["Implements"]?.array?.compactMap(\.string) else {
                throw NotObservable("\(exchange)")
            }
            let unknown = entries.filter { !knownSubsystems.contains($0) }
            guard unknown.isEmpty else { throw exchange.violation("no engine looks for \(unknown.listed())") }
            return "\(exchange)"
        },
        Check(
            "activate-repeat", .required, "Plugin.Activate can be sent any number of times, with the same answer",
            source: "\(source): each engine sends it at each of its starts", needs: .nothing
        ) { session in
            let first = try await session.activate().valueIfAny()
            let entries = Set(first["Implements"]?.array ?? [])
            for _ in 0..<2 {
                let again = await session.activate()
                guard try Set(again.value()["Implements"]?.array ?? []) == entries else {
                    throw again.violation("the answer before was \(first.encoded.excerpt())")
                }
            }
            return "three times \(first.encoded.excerpt())"
        },
        Check(
            "activate-accept", .advised, "The answer does not depend on the Accept field",
            source: "engines ask for plugins.v1.2+json, their documentation says v1+json", needs: .nothing
        ) { session in
            _ = try await session.activate().valueIfAny()
            var shown: [String] = []
            for accept in ["application/vnd.docker.plugins.v1+json", "application/json", nil] {
                var request = session.request("Plugin.Activate")
                request.headers.removeAll { $0.name == "Accept" }
                if let accept { request.headers.append(HTTPField("Accept", accept)) }
                let exchange = await session.exchange(
                    request, as: "Plugin.Activate with " + (accept.map { "Accept: \($0)" } ?? "no Accept"))
                try exchange.value()
                shown.append("\(exchange)")
            }
            return shown.joined(separator: "; ")
        },
    ]
}
