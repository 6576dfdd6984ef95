// SPDX-License-Identifier: Apache-2.0

package import DockerPluginDiscovery

/// An HTTP/1.1 request, its body announced by its length.
package struct HTTPRequest: Hashable, Sendable {
    package var method: String
    /// The path, and what may follow it: `/Plugin.Activate`, `/plugins/pull?remote=x`.
    package var target: String
    /// All fields but `Content-Length`.
    package var headers: [HTTPField]
    package var body: [UInt8]

    package init(_ method: String, _ target: String, headers: [HTTPField], body: [UInt8] = []) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
    }

    /// A call as an engine makes it.
    ///
    /// Engines also take gzip from plugins on TCP. This client does not say so: it could not read it.
    ///
    /// - Parameters:
    ///   - method: `VolumeDriver.Mount`, for example.
    ///   - body: What it is called with.
    ///   - address: Whom it is for.
    package init(call method: String, body: [UInt8], to address: PluginAddress) {
        self.init(
            "POST", "/\(method)",
            headers: [
                HTTPField("Host", address.hostHeader), HTTPField("User-Agent", "Go-http-client/1.1"),
                HTTPField("Accept", "application/vnd.docker.plugins.v1.2+json"),
            ], body: body)
    }

    /// The request as it goes over the wire.
    package var encoded: [UInt8] {
        var lines = ["\(method) \(target) HTTP/1.1"]
        lines += headers.map { "\($0.name): \($0.value)" }
        lines += ["Content-Length: \(body.count)", "", ""]
        return Array(lines.joined(separator: "\r\n").utf8) + body
    }
}

extension PluginAddress {
    /// What engines put into the `Host` field.
    package var hostHeader: String {
        switch transport {
        // Before 20.10.26, 23.0.7 and 24.0.5 it was empty.
        case .unix: "plugin.moby.localhost"
        case .tcp(let host, let port), .tls(let host, let port):
            host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }
}
