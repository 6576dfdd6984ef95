// SPDX-License-Identifier: Apache-2.0

/// The files of a ``SpecTLS``, read.
package struct SpecTLSFiles: Hashable, Sendable {
    /// The authorities to check against, where that counts.
    package let authorities: [UInt8]?
    /// The client's certificate.
    package let certificate: [UInt8]?
    /// The key of the certificate.
    package let key: [UInt8]?
}

/// Why the files of a ``SpecTLS`` are no use to an engine.
package struct SpecTLSError: Error, CustomStringConvertible {
    /// What is wrong and what to do.
    package let description: String
}

extension SpecTLS {
    /// Reads the files that engines read, and checks what can be checked without a TLS library.
    ///
    /// Source: `Client` in go-connections' `tlsconfig`.
    ///
    /// - Returns: The content of the files.
    /// - Throws: ``SpecTLSError``.
    package func load() throws(SpecTLSError) -> SpecTLSFiles {
        let authorities = verifies ? try read("CAFile", caFile, mark: "CERTIFICATE", "certificate") : nil
        if certFile.isEmpty, keyFile.isEmpty {
            return SpecTLSFiles(authorities: authorities, certificate: nil, key: nil)
        }
        guard !certFile.isEmpty, !keyFile.isEmpty else {
            let (given, missing) = certFile.isEmpty ? ("KeyFile", "CertFile") : ("CertFile", "KeyFile")
            throw SpecTLSError(
                description: "\(given) is given without \(missing): they go together, or neither is given")
        }
        let certificate = try read("CertFile", certFile, mark: "CERTIFICATE", "certificate")
        let key = try read("KeyFile", keyFile, mark: "PRIVATE KEY", "private key")
        // The one form is of today's tools, the other of yesterday's.
        guard !key.has("BEGIN ENCRYPTED PRIVATE KEY"), !key.has("Proc-Type: 4,ENCRYPTED") else {
            throw SpecTLSError(
                description: "the key in '\(keyFile)' is encrypted, and there is nobody to be asked for the password: "
                    + "write it in clear, for root alone: openssl pkey -in '\(keyFile)' -out NEW.pem")
        }
        return SpecTLSFiles(authorities: authorities, certificate: certificate, key: key)
    }

    private func read(
        _ key: String, _ path: String, mark: String, _ thing: String
    ) throws(SpecTLSError) -> [UInt8] {
        let content: [UInt8]
        do {
            content = try RegularFile.read(path, limit: 1 << 20)
        } catch {
            throw SpecTLSError(description: "\(key) \(error)")
        }
        guard !content.isEmpty else { throw SpecTLSError(description: "\(key) '\(path)' is empty") }
        guard content.has(mark) else {
            throw SpecTLSError(
                description: "\(key) '\(path)' has no \(thing) in it: a PEM file is wanted (-----BEGIN \(mark)-----)")
        }
        return content
    }
}

extension [UInt8] {
    fileprivate func has(_ text: String) -> Bool { firstRange(of: Array(text.utf8)) != nil }
}
