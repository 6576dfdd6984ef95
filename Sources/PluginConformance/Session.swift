// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient
package import DockerPluginDiscovery
import Synchronization

/// One run of checks against one plugin: makes the calls, and remembers what has to be removed again.
package final class Session: Sendable {
    struct State {
        /// What the plugin says it implements; nil if it does not say.
        var implements: [String]?
        /// Volumes that may exist, with the mount IDs that may hold them.
        var volumes: [String: [String: Int]] = [:]
        /// Volumes that were made and are still there, with the reason.
        var leftovers: [String] = []
        /// Why there is no use in waiting once more for a volume to be made, or mounted.
        var createFailure: String?
        var mountFailure: String?
        var signs: HoldingSigns?
        /// Whether the plugin took no connection the last time.
        var isGone = false
        /// Whether a call was not answered in time since that was last looked at.
        var hasHung = false
    }

    package let endpoint: PluginEndpoint
    /// What volumes are created with.
    package let options: [String: String]
    package let allowsChanges: Bool
    package let limits: Limits
    let transport: PluginTransport
    private let client: PluginClient
    let state = Mutex(State())

    init(_ endpoint: PluginEndpoint, options: [String: String], allowsChanges: Bool, limits: Limits) {
        self.endpoint = endpoint
        self.options = options
        self.allowsChanges = allowsChanges
        self.limits = limits
        transport = PluginTransport(endpoint)
        client = PluginClient(endpoint)
    }

    var isVolumePlugin: Bool { state.withLock { $0.implements?.contains("VolumeDriver") ?? false } }

    /// Whether the plugin's paths can be looked at from here.
    var isLocal: Bool {
        switch endpoint.address.transport {
        case .unix: true
        case .tcp(let host, _), .tls(let host, _): host.hasPrefix("127.") || host == "::1" || host == "localhost"
        }
    }
}

// MARK: - Calls

extension Session {
    /// Makes a connection.
    func connect() async throws -> HTTPConnection {
        do {
            let connection = try await transport.connect(within: limits.connect)
            state.withLock { $0.isGone = false }
            return connection
        } catch let error as PluginClientError {
            if error.code == .unreachable { state.withLock { $0.isGone = true } }
            throw error
        }
    }

    /// A call as an engine makes it.
    func request(_ method: String, _ body: [UInt8] = []) -> HTTPRequest {
        HTTPRequest(call: method, body: body, to: endpoint.address)
    }

    /// Makes a call, over a connection of its own.
    ///
    /// - Parameters:
    ///   - method: `VolumeDriver.Get`, for example.
    ///   - body: What it is called with; nil for no body at all.
    /// - Returns: What came of it.
    func call(_ method: String, _ body: JSONValue? = nil) async -> Exchange {
        let bytes = body.map { $0.encoded + [UInt8(ascii: "\n")] } ?? []
        return await exchange(
            request(method, bytes), as: "\(method) \(body == nil ? "without a body" : bytes.excerpt())")
    }

    /// Sends a request over a connection of its own.
    ///
    /// - Parameters:
    ///   - request: The request.
    ///   - description: What it is, for the evidence.
    /// - Returns: What came of it.
    func exchange(_ request: HTTPRequest, as description: String) async -> Exchange {
        await exchange(method: String(request.target.dropFirst()), as: description) { connection in
            connection.send(request)
            return try await self.receive(on: connection)
        }
    }

    /// Receives an answer.
    func receive(on connection: HTTPConnection) async throws -> PluginReply {
        try await connection.receive(bodyLimit: 16 << 20, within: limits.call)
    }

    /// Does something that ends in an answer.
    func exchange(
        method: String, as description: String, _ body: (HTTPConnection) async throws -> PluginReply
    ) async -> Exchange {
        let start = ContinuousClock.now
        let outcome: Result<PluginReply, any Error>
        do {
            let connection = try await connect()
            defer { connection.close() }
            outcome = .success(try await body(connection))
        } catch {
            outcome = .failure(error)
            if (error as? PluginClientError)?.code == .timedOut { state.withLock { $0.hasHung = true } }
        }
        return Exchange(request: description, reply: outcome, duration: .now - start) { reply in
            try client.value(of: reply, method)
        }
    }

    func activate() async -> Exchange { await call("Plugin.Activate") }

    /// A call that changes nothing and that every plugin of this kind answers.
    var harmlessCall: (method: String, body: [UInt8]) {
        isVolumePlugin ? ("VolumeDriver.List", Array("{}\n".utf8)) : ("Plugin.Activate", [])
    }

    /// Makes the harmless call.
    func probe() async -> Exchange {
        await exchange(request(harmlessCall.method, harmlessCall.body), as: harmlessCall.method)
    }

    /// Throws a ``Violation`` if the plugin does not answer any more.
    func requireAlive(after event: String) async throws -> String {
        let exchange = await probe()
        guard exchange.isSuccess else { throw Violation("after \(event), \(exchange)") }
        return "after \(event), \(exchange)"
    }
}

// MARK: - Asking for volumes

extension Session {
    func get(_ name: String) async -> Exchange { await call("VolumeDriver.Get", ["Name": .string(name)]) }
    func path(_ name: String) async -> Exchange { await call("VolumeDriver.Path", ["Name": .string(name)]) }
    func list() async -> Exchange { await call("VolumeDriver.List", [:]) }

    /// The entries of a List.
    ///
    /// - Throws: ``NotObservable`` if there is no list.
    func listedVolumes() async throws -> [JSONValue] {
        let exchange = await list()
        switch try exchange.valueIfAny()["Volumes"] {
        case .array(let volumes): return volumes
        case .null, nil: return []
        default: throw NotObservable("\(exchange)")
        }
    }

    func listedNames() async throws -> [String] {
        try await listedVolumes().compactMap { $0["Name"]?.string }
    }

    /// A name that no volume has.
    func newName(_ label: String = "") -> String {
        "mobyfs-verify-\(label)\(String(UInt64.random(in: 0...UInt64.max), radix: 36))"
    }

    /// The name of a volume that can be asked for: a new one where that is allowed, else one that is there.
    func anyVolume() async throws -> String {
        var reason = "the plugin has no volume to ask for; --destructive makes one"
        if allowsChanges {
            do {
                return try await newVolume()
            } catch let error as NotObservable {
                reason = error.description
            }
        }
        guard let name = try await listedNames().first else { throw NotObservable(reason) }
        return name
    }
}
