// SPDX-License-Identifier: Apache-2.0

package import DockerPlugin
package import Logging
package import MobyFSVolumes

/// What the command line asks of the daemon, in the manner of the plugin protocol: `POST /Control.ResizeVolume`.
///
/// Other than an engine's, a call without a body means nothing, and one with a key that is not known is refused: it may
/// be of a later version, and matter.
package struct ControlSubsystem: PluginSubsystem {
    private let volumes: VolumeManager
    private let logger: Logger

    package init(volumes: VolumeManager, logger: Logger) {
        self.volumes = volumes
        self.logger = logger
    }

    package var name: String { ControlMethod.subsystem }

    package func implements(_ method: Substring) -> Bool { ControlMethod(rawValue: String(method)) != nil }

    package func activated(by caller: Caller) {}

    package func answer(_ method: Substring, body: [UInt8], from caller: Caller) -> PluginAnswer {
        guard let method = ControlMethod(rawValue: String(method)) else {
            return .now(.failure("\(name) has no method '\(method)'", status: 404))
        }
        let given: [String: String]
        do throws(BadRequest) {
            given = try Self.read(body, of: method)
        } catch {
            return .now(.failure(error.description, status: 400))
        }
        return .later { await answer(method, given) }
    }

    private func answer(_ method: ControlMethod, _ given: [String: String]) async -> PluginResponse {
        do {
            switch method {
            case .resizeVolume:
                let size = try await volumes.resize(given["Name"] ?? "", to: given["Size"] ?? "")
                return PluginResponse(body: JSONValue.object(["Size": .string(size.normal)]).encoded)
            case .listDrivers:
                return PluginResponse(body: try DriverList(await volumes.driverFacts()).encoded())
            }
        } catch {
            logger.info(
                "call of the command line refused",
                metadata: [
                    "operation": "\(method.rawValue)", "volume.name": "\((given["Name"] ?? "").prefix(255))",
                    "error": "\(error)",
                ])
            return .failure("\(error)")
        }
    }

    private struct BadRequest: Error {
        let description: String
    }

    /// The texts of a request, one for each key that the method takes.
    private static func read(_ body: [UInt8], of method: ControlMethod) throws(BadRequest) -> [String: String] {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: body)
        } catch {
            throw BadRequest(description: "the request is no JSON: \(error)")
        }
        guard case .object(let members) = value else { throw BadRequest(description: "the request is no JSON object") }
        if let unknown = members.keys.sorted().first(where: { !method.keys.contains($0) }) {
            throw BadRequest(description: Suggestion.complaint("key", unknown, known: method.keys))
        }
        var texts: [String: String] = [:]
        for key in method.keys {
            guard let text = members[key]?.string else { throw BadRequest(description: "'\(key)' is missing, a text") }
            texts[key] = text
        }
        return texts
    }
}
