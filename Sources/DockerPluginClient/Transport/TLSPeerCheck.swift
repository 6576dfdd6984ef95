// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL

/// Checks what TLS leaves to be checked, and finds words for what went wrong in it.
struct TLSPeerCheck: Sendable {
    /// The name or IP address that was asked for.
    let host: String
    let verifies: Bool
    /// Where the authorities beside the system's come from.
    let caFile: String?
    let authorities: [NIOSSLCertificate]
    /// The file of this side's certificate, if there is one.
    let clientCertificate: String?
    let asked: ClientCertificateRequest

    /// Called when the handshake has ended and the chain, if it counts, has been found good.
    ///
    /// - Throws: ``TLSFailure`` if the certificate is for others.
    func check(_ pipeline: ChannelPipeline.SynchronousOperations) throws -> TLSFacts {
        let certificate = try pipeline.nioSSL_peerCertificate()
        if verifies {
            guard let certificate else { throw TLSFailure("shows no certificate") }
            let names = CertificateNames(certificate)
            guard names.fit(host) else { throw TLSFailure(wrongName(names)) }
        }
        return TLSFacts(sentences: sentences(version: try pipeline.nioSSL_tlsVersion(), certificate))
    }

    private func wrongName(_ names: CertificateNames) -> String {
        names.all.isEmpty
            ? "has a certificate without any subject alternative name, and engines look at nothing else: "
                + "make one for '\(host)'"
            : "has a certificate for \(names.listed), and not for '\(host)': use one of its names in the address, "
                + "or make a certificate for '\(host)'"
    }

    private func sentences(version: TLSVersion?, _ certificate: NIOSSLCertificate?) -> [String] {
        let protocolName = version.map { "TLS \($0 == .tlsv13 ? "1.3" : "1.2")" } ?? "TLS"
        var sentences: [String] = []
        if let certificate {
            let names = CertificateNames(certificate)
            sentences.append(
                "\(protocolName); the plugin's certificate is for \(names.listed), issued by "
                    + "'\(certificate.issuerName.words)', valid until \(Timestamp(certificate.notValidAfter)), and "
                    + (verifies ? "was checked" : "was NOT checked"))
        }
        switch (asked.wasSeen, clientCertificate) {
        case (false, _): sentences.append("the plugin asks for no certificate")
        case (true, nil): sentences.append("the plugin asks for a certificate, and there is none to show")
        case (true, let file?): sentences.append("the plugin asks for a certificate and is shown '\(file)'")
        }
        return sentences
    }

    /// Says in words what an error of TLS means; nil if it is none.
    func explain(_ error: any Error, _ pipeline: ChannelPipeline.SynchronousOperations) -> TLSFailure? {
        let text = "\(error)"
        if text.contains("CERTIFICATE_VERIFY_FAILED") {
            // Without a certificate there is nothing more to say about it.
            let certificate = (try? pipeline.nioSSL_peerCertificate()) ?? nil
            return TLSFailure(certificate.map(whatIsWrong) ?? "has a certificate that does not check out")
        }
        if let alert = Self.alerts.first(where: { text.contains($0.name) }) {
            return TLSFailure(refused(because: alert.meaning))
        }
        if text.contains("WRONG_VERSION_NUMBER") || text.contains("HTTP_REQUEST") {
            return TLSFailure("does not speak TLS: have it named with tcp://, or give the plugin a certificate")
        }
        if text.contains("UNSUPPORTED_PROTOCOL") || text.contains("ALERT_PROTOCOL_VERSION") {
            return TLSFailure("speaks no TLS of version 1.2 or later")
        }
        if text.contains("HANDSHAKE_FAILURE") {
            return TLSFailure(
                asked.wasSeen
                    ? refused(because: "it did not say why")
                    : "has no cipher in common with engines, or wants a certificate")
        }
        if text.contains("EOF during handshake") {
            return TLSFailure("closed the connection during the TLS handshake: does it speak TLS?", .dropped)
        }
        if asked.wasSeen, error is IOError {
            return TLSFailure(refused(because: "it closed the connection without a word"))
        }
        guard error is NIOSSLError || error is BoringSSLError else { return nil }
        return TLSFailure("broke off TLS: \(text)")
    }

    /// What servers say about the certificate of a client, and what it means.
    private static let alerts: [(name: String, meaning: String)] = [
        ("ALERT_CERTIFICATE_REQUIRED", "it wants one and was shown none"),
        ("ALERT_UNKNOWN_CA", "it does not know the authority that issued it"),
        ("ALERT_CERTIFICATE_EXPIRED", "it has expired"),
        ("ALERT_CERTIFICATE_REVOKED", "it was revoked"),
        ("ALERT_CERTIFICATE_UNKNOWN", "it does not accept it"),
        ("ALERT_BAD_CERTIFICATE", "it does not accept it"),
        ("ALERT_UNSUPPORTED_CERTIFICATE", "it is not meant for clients"),
        ("ALERT_ACCESS_DENIED", "its owner may not call"),
    ]

    private func refused(because reason: String) -> String {
        guard let clientCertificate else {
            return "wants to see a client certificate, and there is none: set CertFile and KeyFile"
        }
        return "does not accept the client certificate in '\(clientCertificate)': \(reason)"
    }
}

/// What was found out about a connection's TLS.
struct TLSFacts: Hashable, Sendable {
    let sentences: [String]
}

/// Why TLS failed, to be read behind the address.
struct TLSFailure: Error {
    let description: String
    let code: PluginClientError.Code

    init(_ description: String, _ code: PluginClientError.Code = .untrusted) {
        self.description = description
        self.code = code
    }
}
