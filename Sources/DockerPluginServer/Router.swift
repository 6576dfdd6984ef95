// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import NIOHTTP1

/// Finds what answers a request, by its path alone: the engine sends no Content-Type and an odd Host.
struct Router: Sendable {
    /// What answers a request.
    enum Target {
        case activation
        case call(any PluginSubsystem, method: Substring)
    }

    /// What becomes of a request, whatever its body is.
    enum Route {
        case to(Target)
        case refused(PluginResponse)
    }

    private let subsystems: [any PluginSubsystem]
    private let manifest: PluginResponse

    init(_ subsystems: [any PluginSubsystem]) {
        self.subsystems = subsystems
        self.manifest = .manifest(implementing: subsystems.map(\.name))
    }

    /// Says what becomes of a request.
    func route(method: HTTPMethod, path: String) -> Route {
        guard let target = target(path) else { return .refused(.failure("unknown call '\(path)'", status: 404)) }
        guard method == .POST else {
            return .refused(.failure("'\(path)' takes POST, not \(method.rawValue)", status: 405))
        }
        return .to(target)
    }

    /// The call that a path stands for: `VolumeDriver.Mount`; nil if the plugin has no such call.
    func method(path: String) -> String? {
        target(path) == nil ? nil : String(path.dropFirst())
    }

    /// Says what is to be answered to a request that was not refused.
    func answer(_ target: Target, body: [UInt8], from caller: Caller) -> PluginAnswer {
        switch target {
        case .activation:
            for subsystem in subsystems { subsystem.activated(by: caller) }
            return .now(manifest)
        case .call(let subsystem, let method):
            return subsystem.answer(method, body: body, from: caller)
        }
    }

    /// Paths are `/Subsystem.Method`.
    private func target(_ path: String) -> Target? {
        if path == "/Plugin.Activate" { return .activation }
        // Bytes are found faster than characters.
        let bytes = path.utf8
        guard bytes.first == UInt8(ascii: "/"), let dot = bytes.firstIndex(of: UInt8(ascii: ".")) else { return nil }
        let name = bytes[bytes.index(after: bytes.startIndex)..<dot]
        let method = path[bytes.index(after: dot)...]
        guard let subsystem = subsystems.first(where: { $0.name.utf8.elementsEqual(name) }),
            subsystem.implements(method)
        else { return nil }
        return .call(subsystem, method: method)
    }
}
