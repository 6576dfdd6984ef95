// SPDX-License-Identifier: Apache-2.0

public import DockerPlugin
public import DockerPluginDiscovery

/// Calls a plugin the way engines call it.
///
/// Requests look like an engine's, and what does not get through is tried again when an engine would try again;
/// other than an engine's, the later attempts carry their body. Each call has a connection of its own. However a
/// plugin behaves, a call ends: within ``Configuration/callLimit``, in bounded memory.
public final class PluginClient: Sendable {
    /// How calls are made.
    public struct Configuration: Sendable {
        /// When a call that did not get through is tried again.
        ///
        /// Only failures that may pass count: nobody listens, or the plugin hung up before it answered.
        public var retries = RetrySchedule.engine
        /// How long each connection may take to be made, TLS included.
        public var connectLimit = Duration.seconds(10)
        /// How long a call may take, all attempts together.
        public var callLimit = Duration.seconds(120)
        /// The largest answer that is read, in bytes.
        public var bodyLimit = 64 << 20
        /// Told what goes on, for a person who looks on.
        public var trace: (@Sendable (TraceEvent) -> Void)?

        /// Makes a configuration that suits a daemon.
        public init() {}
    }

    /// Where the plugin listens.
    public let endpoint: PluginEndpoint
    private let configuration: Configuration
    private let transport: PluginTransport

    /// Makes a client; nothing is opened or read yet.
    ///
    /// - Parameters:
    ///   - endpoint: Where the plugin listens.
    ///   - configuration: Limits, and when to try again.
    public init(_ endpoint: PluginEndpoint, configuration: Configuration = Configuration()) {
        self.endpoint = endpoint
        self.configuration = configuration
        transport = PluginTransport(endpoint, trace: configuration.trace)
    }

    /// Asks the plugin what it implements, as each engine does before it uses a plugin.
    ///
    /// - Returns: `VolumeDriver`, for example.
    /// - Throws: ``PluginClientError``.
    public func activate() async throws -> [String] {
        let method = "Plugin.Activate"
        let answer = try value(of: await call(method), method)
        guard let implements = answer["Implements"], implements != .null else { return [] }
        guard let names = implements.array?.map(\.string), !names.contains(nil) else {
            throw PluginClientError(
                .badAnswer, "'\(endpoint.address)' does not say what it implements: Implements is no list of texts",
                status: 200)
        }
        return names.compactMap { $0 }
    }

    /// Makes a call and takes what an engine would take from the answer.
    ///
    /// - Parameters:
    ///   - method: `VolumeDriver.Get`, for example.
    ///   - request: What it is called with.
    /// - Returns: The answer's JSON value.
    /// - Throws: ``PluginClientError``, with code `refused` and the text that an engine would show if the plugin
    ///   answered with an error.
    public func call(_ method: String, _ request: JSONValue) async throws -> JSONValue {
        // As Go's encoder ends it.
        let reply = try await call(method, body: request.encoded + [UInt8(ascii: "\n")])
        return try value(of: reply, method)
    }

    /// What an engine would take from an answer.
    ///
    /// - Parameters:
    ///   - reply: What the plugin answered.
    ///   - method: The method that was called.
    /// - Returns: The answer's JSON value.
    /// - Throws: ``PluginClientError`` where an engine would take it for a failure.
    public func value(of reply: PluginReply, _ method: String) throws -> JSONValue {
        try reply.value(of: method, from: endpoint.address)
    }

    /// Makes a call and returns the answer as it came.
    ///
    /// - Parameters:
    ///   - method: `VolumeDriver.Get`, for example.
    ///   - body: The request's body.
    /// - Returns: The answer, whatever its status.
    /// - Throws: ``PluginClientError`` if there is none.
    public func call(_ method: String, body: [UInt8] = []) async throws -> PluginReply {
        guard !method.isEmpty, method.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"?#%\"<>\\^`{|}".utf8.contains($0) })
        else {
            throw PluginClientError(
                .misconfigured, "'\(method.shown)' is no method: write SUBSYSTEM.METHOD, such as VolumeDriver.List")
        }
        let request = HTTPRequest(call: method, body: body, to: endpoint.address)
        let start = ContinuousClock.now
        var attempts = 0
        while true {
            attempts += 1
            do {
                return try await attempt(request, method, within: configuration.callLimit - (.now - start))
            } catch let error as PluginClientError where error.mayPass {
                let elapsed = ContinuousClock.now - start
                guard let pause = configuration.retries.pause(after: attempts, elapsed: elapsed),
                    elapsed + pause < configuration.callLimit
                else { throw error }
                configuration.trace?(.retry(error, after: pause))
                try await Task.sleep(for: pause)
            }
        }
    }

    private func attempt(_ request: HTTPRequest, _ method: String, within limit: Duration) async throws -> PluginReply {
        let start = ContinuousClock.now
        let connection = try await transport.connect(within: min(limit, configuration.connectLimit))
        defer { connection.close() }
        connection.send(request)
        do {
            return try await connection.receive(bodyLimit: configuration.bodyLimit, within: limit - (.now - start))
        } catch let error as PluginClientError where error.code == .timedOut {
            throw PluginClientError(
                .timedOut,
                "'\(endpoint.address)' took the call to \(method) and did not answer it within "
                    + configuration.callLimit.inSeconds)
        }
    }
}
