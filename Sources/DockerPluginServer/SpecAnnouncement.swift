// SPDX-License-Identifier: Apache-2.0

public import DockerPluginDiscovery
import Logging

/// How engines are told of a server: by a spec file that is there for as long as the server listens.
///
/// The address in it is that of the last listener which the server has bound itself. A socket that was passed to
/// the process is told of by whoever passes it: it outlives the server.
public struct SpecAnnouncement: Sendable {
    /// The file.
    ///
    /// What another program wrote there is left alone, and the server does not start.
    public var file: SpecFile
    /// What engines need for TLS, where the listener speaks it.
    public var tls: SpecTLS?
    /// The host that engines are to connect to, where it is not the one that is listened on: for `0.0.0.0`, or to
    /// match the name in the certificate.
    public var host: String?

    /// Tells engines of a server by a file.
    ///
    /// - Parameters:
    ///   - file: The file.
    ///   - tls: What engines need for TLS.
    ///   - host: The host to connect to, if not the one that is listened on.
    public init(_ file: SpecFile, tls: SpecTLS? = nil, host: String? = nil) {
        self.file = file
        self.tls = tls
        self.host = host
    }

    /// Tells engines of a server on a unix socket, or on a port without TLS.
    ///
    /// - Parameters:
    ///   - name: The plugin's name, which is the name that `docker volume create -d` takes.
    ///   - directory: Where engines look.
    public init(name: String, directory: String = "/etc/docker/plugins") {
        self.init(SpecFile(name: name, directory: directory))
    }
}

extension SpecAnnouncement {
    /// A socket that the server has bound.
    struct Bound {
        let listener: Listener
        /// The port, also where the kernel chose it.
        let port: Int?
    }

    /// A file that was written, and what it replaced.
    struct Written {
        fileprivate let file: SpecFile
        fileprivate let endpoint: PluginEndpoint
        fileprivate let before: PluginEndpoint?

        /// Takes the file away, or puts the one back that it replaced: that of a socket unit, say.
        func takeBack(logger: Logger) async {
            do {
                // Not one of a server that is gone, too: engines would wait for it.
                if let before, case .unix(let path) = before.address.transport,
                    try await Listener.isAlive(socket: path)
                {
                    try file.write(before)
                } else {
                    try file.remove(saying: endpoint)
                }
            } catch {
                logger.error("the spec file stays behind", metadata: ["error": "\(error)"])
            }
        }
    }

    func write(_ bound: [Bound], logger: Logger) throws -> Written? {
        guard let endpoint = try bound.last.flatMap(endpoint) else { return nil }
        let before = try file.addressOfOurs()
        let form = try file.write(endpoint)
        logger.info(
            "spec file written",
            metadata: ["file.path": "\(file.path(form))", "address": "\(endpoint.address)"])
        for concern in file.concerns(form) {
            logger.warning("engines may not find the plugin by its spec file", metadata: ["error": "\(concern)"])
        }
        // A unix socket is somebody's until it is taken away. A port may have been ours, before a crash.
        let other = before.flatMap { try? PluginAddress($0) }  // ours, so it makes sense
        let isSocket = if case .unix = other?.transport { other != endpoint.address } else { false }
        return Written(file: file, endpoint: endpoint, before: isSocket ? other.map { PluginEndpoint($0) } : nil)
    }

    private func endpoint(_ bound: Bound) throws -> PluginEndpoint? {
        switch bound.listener {
        case .descriptor: return nil
        case .unix(let path): return PluginEndpoint(PluginAddress(socket: path))
        case .tcp(let host, let port, let serverTLS):
            let host = self.host ?? host
            let authority = "\(host.contains(":") ? "[\(host)]" : host):\(bound.port ?? port)"
            let scheme = serverTLS == nil ? "tcp" : "https"
            return PluginEndpoint(try PluginAddress("\(scheme)://\(authority)"), tls: serverTLS == nil ? nil : tls)
        }
    }
}
