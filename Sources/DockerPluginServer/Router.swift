// SPDX-License-Identifier: Apache-2.0

import DockerPlugin

/// Finds what answers a request, by its path alone: the engine sends no Content-Type and an odd Host.
struct Router: Sendable {
    private enum Target {
        case activation
        case call(any PluginSubsystem, method: Substring)
    }

    private let subsystems: [any PluginSubsystem]
    private let manifest: PluginResponse

    init(_ subsystems: [any PluginSubsystem]) {
        self.subsystems = subsystems
        self.manifest = .manifest(implementing: subsystems.map(\.name))
    }

    /// What makes a request hopeless whatever its body is, or nil.
    func refusal(method: String, path: String) -> PluginResponse? {
        guard target(path) != nil else {
            return .failure("unknown call '\(path)'", status: 404)
        }
        return method == "POST" ? nil : .failure("'\(path)' takes POST, not \(method)", status: 405)
    }

    /// The call that a path stands for: `VolumeDriver.Mount`; nil if the plugin has no such call.
    func method(path: String) -> String? {
        target(path) == nil ? nil : String(path.dropFirst())
    }

    /// Says what is to be answered to a request that was not refused.
    func answer(path: String, body: [UInt8], from caller: Caller) -> PluginAnswer {
        switch target(path) {
        case .activation:
            for subsystem in subsystems { subsystem.activated(by: caller) }
            return .now(manifest)
        case .call(let subsystem, let method):
            return subsystem.answer(method, body: body, from: caller)
        case nil:
            return .hangUp
        }
    }

    /// Paths are `/Subsystem.Method`.
    private func target(_ path: String) -> Target? {
        if path == "/Plugin.Activate" { return .activation }
        guard path.first == "/", let dot = path.firstIndex(of: ".") else { return nil }
        let name = path[path.index(after: path.startIndex)..<dot]
        let method = path[path.index(after: dot)...]
        guard let subsystem = subsystems.first(where: { $0.name == name }), subsystem.implements(method) else {
            return nil
        }
        return .call(subsystem, method: method)
    }
}
