// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import NIOHTTP1

/// Finds what answers a request, by its path alone: the engine sends no Content-Type and an odd Host.
struct Router: Sendable {
    /// What becomes of a request, whatever its body is.
    enum Route {
        case to(PluginMethod)
        case refused(PluginResponse)
    }

    /// By path: `/VolumeDriver.Mount`.
    private let methods: [String: PluginMethod]

    init(_ subsystems: [any PluginSubsystem]) {
        let manifest = PluginResponse.manifest(implementing: subsystems.map(\.name))
        var methods: [String: PluginMethod] = [:]
        for subsystem in subsystems {
            for (name, method) in subsystem.methods { methods["/\(subsystem.name).\(name)"] = method }
        }
        methods["/Plugin.Activate"] = { _, caller in
            for subsystem in subsystems { subsystem.activated(by: caller) }
            return .now(manifest)
        }
        self.methods = methods
    }

    /// Says what becomes of a request.
    func route(method: HTTPMethod, path: String) -> Route {
        guard let answer = methods[path] else { return .refused(.failure("unknown call '\(path)'", status: 404)) }
        guard method == .POST else {
            return .refused(.failure("'\(path)' takes POST, not \(method.rawValue)", status: 405))
        }
        return .to(answer)
    }

    /// The call that a path stands for: `VolumeDriver.Mount`; nil if the plugin has no such call.
    func method(path: String) -> String? {
        methods[path] == nil ? nil : String(path.dropFirst())
    }
}
