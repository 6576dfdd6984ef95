// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginClient
import DockerPluginDiscovery

/// The `hello` interface: five calls, each with a JSON object for request and answer.
struct HelloInterface: PluginSubsystem {
    private enum Method: String, CaseIterable {
        case getState = "GetState"
        case discover = "Discover"
        case call = "Call"
        case install = "Install"
        case remove = "Remove"
    }

    let state: HelloState
    let discovery: PluginDiscovery
    let installer: PluginInstaller

    var name: String { "hello" }

    var methods: [String: PluginMethod] {
        var methods: [String: PluginMethod] = [:]
        for method in Method.allCases { methods[method.rawValue] = { body, _ in answer(method, body) } }
        return methods
    }

    func activated(by caller: Caller) {
        state.countActivation()
    }

    private func answer(_ method: Method, _ body: [UInt8]) -> PluginAnswer {
        state.countCall()
        let request: JSONValue
        do {
            // As from an engine, an empty body is fine where nothing has to be said.
            request = body.isEmpty ? [:] : try JSONValue(parsing: body)
        } catch {
            return .now(.failure("\(error)", status: 400))
        }
        if method == .getState { return .now(PluginResponse(body: state.description.encoded)) }
        return .later {
            do {
                return PluginResponse(body: try await answer(method, request).encoded)
            } catch {
                return .failure("\(error)")
            }
        }
    }

    private func answer(_ method: Method, _ request: JSONValue) async throws -> JSONValue {
        switch method {
        case .getState: state.description
        case .discover: await discover()
        case .call: try await call(request)
        case .install: try await install(request)
        case .remove: try await remove(request)
        }
    }
}

// MARK: - Finding and calling

extension HelloInterface {
    /// `{}` → `{"Plugins": [{"Name", "Address", "Implements" or "Err"}]}`, all asked at once.
    private func discover() async -> JSONValue {
        let names = discovery.scan(as: .v25).names
        let found = await withTaskGroup { group in
            for name in names { group.addTask { await describe(name) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        return ["Plugins": .array(found.sorted { ($0["Name"]?.string ?? "") < ($1["Name"]?.string ?? "") })]
    }

    private func describe(_ name: String) async -> JSONValue {
        do {
            let endpoint = try discovery.lookUp(name).endpoint
            let implements = try await client(endpoint, limit: .seconds(2)).activate()
            return [
                "Name": .string(name), "Address": .string(endpoint.address.text),
                "Implements": .array(implements.map { .string($0) }),
            ]
        } catch {
            return ["Name": .string(name), "Err": .string("\(error)")]
        }
    }

    /// `{"Plugin", "Method", "Request"}` → `{"Answer"}`, whatever that plugin answered.
    private func call(_ request: JSONValue) async throws -> JSONValue {
        let endpoint = try discovery.lookUp(try request.text("Plugin")).endpoint
        let client = client(endpoint, limit: .seconds(30))
        return ["Answer": try await client.call(try request.text("Method"), request["Request"] ?? [:])]
    }

    private func client(_ endpoint: PluginEndpoint, limit: Duration) -> PluginClient {
        var configuration = PluginClient.Configuration()
        configuration.retries = .none
        configuration.callLimit = limit
        return PluginClient(endpoint, configuration: configuration)
    }
}

// MARK: - Installing and removing

extension HelloInterface {
    /// `{"Name", "Address"}` for a program of this host, or `{"Reference", "Name", "GrantAllPermissions": true}` for a
    /// managed plugin → `{"Implements"}` or `{"Enabled"}`.
    private func install(_ request: JSONValue) async throws -> JSONValue {
        guard let reference = request["Reference"]?.string else {
            let endpoint = PluginEndpoint(try PluginAddress(try request.text("Address")))
            let implements = try await installer.install(try request.text("Name"), at: endpoint)
            return ["Implements": .array(implements.map { .string($0) })]
        }
        let isGranted = request["GrantAllPermissions"] == true
        let plugin = try await installer.install(reference, as: request["Name"]?.string) { privileges in
            guard isGranted else { throw NotGranted(reference: reference, privileges: privileges.map(\.name)) }
            return true
        }
        return ["Enabled": .bool(plugin?.isEnabled ?? false)]
    }

    /// `{"Name", "Force"}` → `{"Removed"}`: the files, or the name of the managed plugin.
    private func remove(_ request: JSONValue) async throws -> JSONValue {
        let removal = try await installer.remove(try request.text("Name"), force: request["Force"] == true)
        let removed = removal.files.isEmpty ? [removal.name] : removal.files
        return ["Removed": .array(removed.map { .string($0) })]
    }

    private struct NotGranted: Error, CustomStringConvertible {
        let reference: String
        let privileges: [String]

        var description: String {
            "'\(reference)' asks for \(privileges.joined(separator: ", ")): say \"GrantAllPermissions\": true to allow it"
        }
    }
}

extension JSONValue {
    /// A member that has to be there.
    fileprivate func text(_ key: String) throws -> String {
        guard let text = self[key]?.string, !text.isEmpty else { throw Missing(key: key) }
        return text
    }

    private struct Missing: Error, CustomStringConvertible {
        let key: String
        var description: String { "the request has no '\(key)'" }
    }
}
