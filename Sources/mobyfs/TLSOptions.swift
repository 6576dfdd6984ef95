// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DockerPluginDiscovery

/// What TLS an engine, or this program in its place, is to speak with a plugin.
struct TLSOptions: ParsableArguments {
    @Option(help: "The authorities that the plugin's certificate must be from, a PEM file.")
    var tlsCa: String?

    @Option(help: "The certificate to show to the plugin, a PEM file.")
    var tlsCert: String?

    @Option(help: "Its key, a PEM file.")
    var tlsKey: String?

    @Flag(help: "Believe any certificate of the plugin.")
    var insecureSkipVerify = false

    func validate() throws {
        if let tlsCert, tlsKey == nil {
            throw ValidationError("--tls-cert '\(tlsCert)' needs --tls-key: the key for it")
        }
        if let tlsKey, tlsCert == nil {
            throw ValidationError("--tls-key '\(tlsKey)' needs --tls-cert: its certificate")
        }
        if let tlsCert, tlsCa == nil, !insecureSkipVerify {
            throw ValidationError(
                "--tls-cert '\(tlsCert)' without --tls-ca: engines then believe any certificate of the plugin; give "
                    + "--tls-ca, or say so with --insecure-skip-verify")
        }
    }

    /// Whether any of these was given.
    var isGiven: Bool { tlsCa != nil || tlsCert != nil || insecureSkipVerify }

    /// How to reach a plugin at an address with these options.
    func endpoint(at text: String) throws -> PluginEndpoint {
        let address: PluginAddress
        do {
            address = try PluginAddress(text)
        } catch {
            throw ValidationError("\(error)")
        }
        guard isGiven else { return PluginEndpoint(address) }
        guard case .tls = address.transport else {
            throw ValidationError("'\(text)' is no https:// address: engines speak TLS with no other")
        }
        let tls = SpecTLS(
            caFile: absolute(tlsCa), certFile: absolute(tlsCert), keyFile: absolute(tlsKey),
            insecureSkipVerify: insecureSkipVerify)
        return PluginEndpoint(address, tls: tls)
    }

    /// Engines read the files from a working directory of their own.
    private func absolute(_ path: String?) -> String {
        path.map { AbsolutePath.of($0) } ?? ""
    }
}
