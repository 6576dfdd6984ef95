// SPDX-License-Identifier: Apache-2.0

/// How to reach a plugin: its address, and for `https` what TLS is to be spoken.
public struct PluginEndpoint: Hashable, Sendable {
    /// Where the plugin listens.
    public var address: PluginAddress
    /// What a `.json` file says about TLS; nil where it says nothing, or where there is none.
    public var tls: SpecTLS?

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - address: Where the plugin listens.
    ///   - tls: Certificates, and whether the plugin's is checked. Without, an engine checks it against the
    ///     system's authorities.
    public init(_ address: PluginAddress, tls: SpecTLS? = nil) {
        self.address = address
        self.tls = tls
    }
}

/// The `TLSConfig` of a `.json` file.
public struct SpecTLS: Hashable, Sendable {
    /// The authorities that the plugin's certificate is checked against, a PEM file.
    ///
    /// The system's are trusted as well.
    public var caFile: String
    /// The engine's own certificate, a PEM file; empty for none.
    ///
    /// It goes together with ``keyFile``.
    public var certFile: String
    /// The key of ``certFile``, a PEM file, not encrypted.
    public var keyFile: String
    /// Whether the plugin's certificate is believed unchecked.
    ///
    /// Engines do so, too, where ``caFile`` is empty.
    public var insecureSkipVerify: Bool

    /// Makes a TLS configuration; without arguments, one that checks nothing.
    public init(caFile: String = "", certFile: String = "", keyFile: String = "", insecureSkipVerify: Bool = false) {
        self.caFile = caFile
        self.certFile = certFile
        self.keyFile = keyFile
        self.insecureSkipVerify = insecureSkipVerify
    }

    /// Whether an engine checks the plugin's certificate.
    public var verifies: Bool { !caFile.isEmpty && !insecureSkipVerify }
}
