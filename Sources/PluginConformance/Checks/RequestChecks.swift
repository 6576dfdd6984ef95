// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient
import DockerPluginDiscovery

extension Check {
    /// What requests may look like.
    static let requests: [Check] = [
        Check(
            "host-empty", .required, "A call with an empty Host field is answered",
            source: "moby pkg/plugins/client.go: over unix sockets up to 20.10.25, 23.0.6 and 24.0.4", needs: .plugin
        ) { session in
            try session.requireUnixSocket()
            return try await session.answer(withHost: "")
        },
        Check(
            "host-localhost", .required, "A call with Host: plugin.moby.localhost is answered",
            source: "moby pkg/plugins/client.go: over unix sockets since 20.10.26, 23.0.7 and 24.0.5", needs: .nothing
        ) { session in
            try session.requireUnixSocket()
            return try await session.answer(withHost: "plugin.moby.localhost")
        },
        Check(
            "host-any", .advised, "A call with any other Host is answered",
            source: "only the path says what is called", needs: .plugin
        ) { session in
            try await session.answer(withHost: "mobyfs-verify.example:1")
        },
        Check(
            "content-type", .required, "A call needs no Content-Type",
            source: "moby pkg/plugins/client.go: no engine sends one", needs: .volumePlugin
        ) { session in
            var typed = session.request("VolumeDriver.List", Array("{}\n".utf8))
            typed.headers.append(HTTPField("Content-Type", "application/json"))
            let with = await session.exchange(typed, as: "VolumeDriver.List with Content-Type: application/json")
            _ = try with.valueIfAny()
            let without = await session.list()
            guard without.isSuccess else { throw without.violation("with a Content-Type it succeeds") }
            return "\(without)"
        },
        Check(
            "post-only", .advised, "Only POST calls something",
            source: "engines send nothing else, and browsers are easily made to send GET", needs: .plugin
        ) { session in
            var request = session.request("Plugin.Activate")
            request.method = "GET"
            let exchange = await session.exchange(request, as: "GET /Plugin.Activate")
            guard !exchange.isSuccess else { throw exchange.violation("405 is the answer to that") }
            return "\(exchange)"
        },
        Check(
            "unknown-call", .advised, "A call that does not exist is answered with 404",
            source: "moby pkg/plugins/client.go: that, and nothing else, says that an optional call is not there",
            needs: .plugin
        ) { session in
            let exchange = await session.call("VolumeDriver.MobyFSVerify", [:])
            guard exchange.answer?.status == 404 else { throw Violation("\(exchange)") }
            return "\(exchange)"
        },
        Check(
            "expect", .advised, "A caller that first asks whether to send the body is told to",
            source: "HTTP/1.1; curl does so with large bodies", needs: .plugin
        ) { session in
            try await session.answerAfterExpect()
        },
        Check(
            "http-1.0", .advised, "A call in HTTP/1.0 is answered",
            source: "HTTP/1.1; health checks send it", needs: .plugin
        ) { session in
            let (method, body) = session.harmlessCall
            let head = "POST /\(method) HTTP/1.0\r\nContent-Length: \(body.count)\r\n\r\n"
            let exchange = await session.exchange(method: method, as: "\(method) in HTTP/1.0") { connection in
                try await connection.send(Array(head.utf8) + body)
                return try await session.receive(on: connection)
            }
            try exchange.value()
            return "\(exchange)"
        },
        Check(
            "unknown-keys", .advised, "Keys that the plugin does not know are passed over",
            source: "later engines may send more", needs: .volumePlugin
        ) { session in
            let name = try await session.anyVolume()
            return try await session.requireVolume(
                name, in: session.call("VolumeDriver.Get", ["Name": .string(name), "Labels": ["a": .array([1, [:]])]]))
        },
        Check(
            "key-case", .advised, "Keys count whatever the case of their letters",
            source: "Go's encoding/json reads them so, in every engine and in Docker's own helper for plugins",
            needs: .volumePlugin
        ) { session in
            let name = try await session.anyVolume()
            return try await session.requireVolume(
                name, in: session.call("VolumeDriver.Get", ["name": .string(name)]))
        },
    ]
}

extension Session {
    fileprivate func requireUnixSocket() throws {
        if case .unix = endpoint.address.transport { return }
        throw NotObservable("over TCP engines send the plugin's host and port")
    }

    /// Makes sure that a call with this Host is answered, if there is any with which it is.
    fileprivate func answer(withHost host: String) async throws -> String {
        let exchange = await call(withHost: host)
        if !exchange.isSuccess {
            let others = ["plugin.moby.localhost", "", "localhost"].filter { $0 != host }
            var answered = false
            for other in others where !answered { answered = await call(withHost: other).isSuccess }
            guard answered else { throw NotObservable("\(exchange), whatever the Host") }
        }
        try exchange.value()
        return "\(exchange)"
    }

    private func call(withHost host: String) async -> Exchange {
        let (method, body) = harmlessCall
        var request = request(method, body)
        request.headers = request.headers.map { $0.name == "Host" ? HTTPField("Host", host) : $0 }
        return await exchange(request, as: "\(method) with 'Host: \(host)'")
    }

    fileprivate func answerAfterExpect() async throws -> String {
        let (method, body) = harmlessCall
        let asked = "\(method) with Expect: 100-continue"
        var request = request(method, body)
        request.headers.append(HTTPField("Expect", "100-continue"))
        let head = Array(request.encoded.dropLast(body.count))
        let exchange = await exchange(method: method, as: asked) { connection in
            try await connection.send(head)
            async let reply = self.receive(on: connection)
            // The plugin may answer at once, and close: then the body is not wanted. What it takes amiss shows in the
            // answer.
            try await Task.sleep(for: .milliseconds(100))
            try? await connection.send(body)
            return try await reply
        }
        try exchange.value()
        return "\(exchange)"
    }

    /// Makes sure that Get has found a volume.
    fileprivate func requireVolume(_ name: String, in exchange: Exchange) async throws -> String {
        let plain = await get(name)
        guard try plain.volume() != nil else { throw NotObservable("\(plain)") }
        guard try exchange.volume() != nil else { throw exchange.violation("otherwise asked for, it is there") }
        return "\(exchange)"
    }
}
