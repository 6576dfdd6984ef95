// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient

extension Check {
    /// What answers look like.
    static let answers: [Check] = [
        Check(
            "one-value", .advised, "An answer is one JSON value and nothing else",
            source: "moby pkg/plugins/client.go: engines leave the rest unread, other clients do not", needs: .plugin
        ) { session in
            var exchanges = [await session.activate()]
            if session.isVolumePlugin {
                exchanges.append(await session.call("VolumeDriver.Capabilities", [:]))
                exchanges.append(await session.list())
            }
            let readable = exchanges.filter(\.isSuccess)
            guard !readable.isEmpty else { throw NotObservable("\(exchanges[0])") }
            for exchange in readable {
                do {
                    _ = try JSONValue(parsing: exchange.answer?.body ?? [])
                } catch {
                    throw exchange.violation("\(error)")
                }
            }
            return readable.map { "\($0)" }.joined(separator: "; ")
        },
        Check(
            "errors-as-200", .advised, "An error is answered with status 200 and Err",
            source: "moby pkg/plugins/client.go: before the text of another status users read the method's name",
            needs: .volumePlugin
        ) { session in
            let exchange = try await session.error()
            guard exchange.answer?.status == 200 else {
                guard case .refused(let text) = exchange.verdict else { throw Violation("\(exchange)") }
                throw exchange.violation("users read '\(text.printable(120))'")
            }
            return "\(exchange)"
        },
        Check(
            "errors-have-text", .advised, "An error is a JSON object with a text as its Err",
            source: "moby pkg/plugins/client.go: else users are shown the body as it is", needs: .volumePlugin
        ) { session in
            let exchange = try await session.error()
            guard let text = try? exchange.answer?.value["Err"]?.string, !text.trimmed.isEmpty else {
                throw exchange.violation("there is no Err to show")
            }
            return "\(exchange)"
        },
    ]

    /// What a volume plugin says of itself.
    static let capabilities: [Check] = [
        Check(
            "capabilities-answers", .advised, "Capabilities is answered",
            source: "moby volume/drivers/adapter.go getCapabilities, since 1.12: else it is asked again at every use",
            needs: .volumePlugin
        ) { session in
            let exchange = await session.call("VolumeDriver.Capabilities", [:])
            try exchange.value()
            return "\(exchange)"
        },
        Check(
            "capabilities-scope", .advised, "Scope is 'local' or 'global'",
            source: "moby volume/drivers/adapter.go getCapabilities: anything else counts as local",
            needs: .volumePlugin
        ) { session in
            let exchange = await session.call("VolumeDriver.Capabilities", [:])
            let scope = try exchange.valueIfAny()["Capabilities"]?["Scope"]?.string
            guard let scope, ["local", "global"].contains(scope.lowercased()) else {
                throw exchange.violation("engines take that for local")
            }
            return "\(exchange)"
        },
        Check(
            "empty-read", .advised, "Capabilities and List are answered without a body, too",
            source: "moby pkg/plugins/client.go: a call that is tried again has lost its body", needs: .volumePlugin
        ) { session in
            var shown: [String] = []
            for method in ["VolumeDriver.Capabilities", "VolumeDriver.List"] {
                guard await session.call(method, [:]).isSuccess else { continue }
                let exchange = await session.call(method)
                try exchange.value()
                shown.append("\(exchange)")
            }
            guard !shown.isEmpty else { throw NotObservable("neither is answered at all") }
            return shown.joined(separator: "; ")
        },
    ]
}

extension Session {
    /// A call that was answered with an error.
    fileprivate func error() async throws -> Exchange {
        let exchange = await get(newName())
        guard exchange.answer != nil, !exchange.isSuccess else { throw NotObservable("\(exchange)") }
        return exchange
    }
}
