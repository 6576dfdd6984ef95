// SPDX-License-Identifier: Apache-2.0

package import SystemPackage
import X509

/// A private key, and whose it is.
package struct PrivateKeyFacts: Sendable {
    /// The file it was read from.
    package let path: FilePath
    let key: Certificate.PrivateKey

    /// Reads the private key in a PEM file.
    ///
    /// - Parameter path: The file; symbolic links are followed.
    /// - Throws: ``CertificateFileError`` if there is none or if it is encrypted, with what to do.
    package init(pemFile path: FilePath) throws(CertificateFileError) {
        try self.init(PEMFile(path))
    }

    init(_ file: PEMFile) throws(CertificateFileError) {
        path = file.path
        key = try file.privateKey()
    }

    /// The kind of key, such as `ECDSA P-256`.
    package var keyType: String { key.publicKey.typeName }

    /// Whether this is the key of a certificate.
    package func fits(_ certificate: CertificateFacts) -> Bool { key.publicKey == certificate.certificate.publicKey }
}
