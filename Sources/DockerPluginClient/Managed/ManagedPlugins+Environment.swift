// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery

extension ManagedPlugins {
    /// Names the engine that Docker's own command line would talk to, its contexts aside.
    ///
    /// - Parameter environment: `DOCKER_HOST` says where the engine listens, else it is `/var/run/docker.sock`. With
    ///   `DOCKER_TLS_VERIFY` set, `ca.pem`, `cert.pem` and `key.pem` in `DOCKER_CERT_PATH` are used on TCP.
    /// - Throws: ``PluginClientError`` with code `misconfigured` if there is no such address.
    public init(environment: [String: String]) throws(PluginClientError) {
        guard let host = environment["DOCKER_HOST"], !host.isEmpty else {
            self.init()
            return
        }
        func refuse(_ reason: String) -> PluginClientError {
            PluginClientError(.misconfigured, "DOCKER_HOST='\(host.shown)' cannot be used: \(reason)")
        }
        guard ["unix://", "tcp://", "http://", "https://"].contains(where: host.hasPrefix) else {
            throw refuse("write unix:///ABSOLUTE/PATH or tcp://HOST:PORT")
        }
        let address: PluginAddress
        do {
            address = try PluginAddress(host)
        } catch {
            throw refuse(error.description)
        }
        guard case .tcp(let name, let port) = address.transport, environment["DOCKER_TLS_VERIFY"]?.isEmpty == false
        else {
            self.init(engine: PluginEndpoint(address))
            return
        }
        let folder =
            environment["DOCKER_CERT_PATH"].flatMap { $0.isEmpty ? nil : $0 } ?? "\(environment["HOME"] ?? "")/.docker"
        let bracketed = name.contains(":") ? "[\(name)]" : name
        do {
            let secured = try PluginAddress("https://\(bracketed):\(port)")
            self.init(
                engine: PluginEndpoint(
                    secured,
                    tls: SpecTLS(
                        caFile: "\(folder)/ca.pem", certFile: "\(folder)/cert.pem", keyFile: "\(folder)/key.pem")))
        } catch {
            throw refuse(error.description)
        }
    }
}
