// SPDX-License-Identifier: Apache-2.0

package import SystemPackage
import X509

/// A private key: of what kind, and who may read it.
package struct PrivateKeyFacts: Sendable {
    /// The file it was read from.
    package let path: FilePath
    let key: Certificate.PrivateKey
    let mode: UInt32

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
        mode = file.mode
    }

    /// The kind of key, such as `ECDSA P-256`.
    package var keyType: String { key.publicKey.typeName }
    /// Whether others than the owner and the group may read the file.
    package var isReadableByOthers: Bool { mode & 0o004 != 0 }

    /// Whether this is the key of a certificate.
    package func fits(_ certificate: CertificateFacts) -> Bool { key.publicKey == certificate.certificate.publicKey }
}
