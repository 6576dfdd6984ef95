// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import DockerPluginDiscovery

extension PluginReply {
    /// What an engine takes from the answer to a call.
    func value(of method: String, from address: PluginAddress) throws -> JSONValue {
        guard status == 200 else { throw refusal(of: method) }
        let value: JSONValue
        do throws(JSONError) {
            value = try self.value
        } catch {
            throw PluginClientError(.badAnswer, "'\(address)' answered \(method) \(nature(error))", status: status)
        }
        // IPAM plugins say `Error` where all others say `Err`.
        let message = value[method.hasPrefix("IpamDriver.") ? "Error" : "Err"]?.string
        if let message, !message.isEmpty {
            throw PluginClientError(.refused, message, status: status)
        }
        return value
    }

    /// Engines take any other status than 200 for an error, and put the method before its text.
    private func refusal(of method: String) -> PluginClientError {
        // A body that is no JSON is shown as it is.
        let message = (try? value)?["Err"]?.string ?? ""
        let text = message.isEmpty ? String(decoding: body.prefix(500), as: UTF8.self).trimmed : message
        let redirect =
            (300..<400).contains(status) ? "; it sends callers on to '\(headers["Location"]?.shown ?? "")'" : ""
        let shown = text.isEmpty ? "status \(status) and no text" : text
        return PluginClientError(.refused, "\(method): \(shown)\(redirect)", status: status)
    }

    private func nature(_ error: JSONError) -> String {
        if body.isEmpty { return "with nothing, and engines want at least '{}'" }
        let start = String(decoding: body.prefix(160), as: UTF8.self)
        if start.trimmed.hasPrefix("<") {
            return "with a page of HTML or XML: is that a plugin, or a web server? it begins '\(start.shown)'"
        }
        return "with what is no JSON (\(error)): '\(start.shown)'"
    }
}
