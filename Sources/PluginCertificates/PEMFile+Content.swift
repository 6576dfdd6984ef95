// SPDX-License-Identifier: Apache-2.0

import Crypto
import SwiftASN1
import SystemPackage
import X509

extension PEMFile {
    /// The certificates in the file, in order: first the one it is about, then those of its issuers, if any.
    ///
    /// - Throws: ``CertificateFileError`` saying what the file is instead, if there are none.
    func certificates() throws(CertificateFileError) -> [Certificate] {
        let blocks = blocks.filter(\.isCertificate)
        guard !blocks.isEmpty else { throw refusal(wanted: "certificate", shellCommand: "x509") }
        var certificates: [Certificate] = []
        for block in blocks {
            do {
                certificates.append(try Certificate(derEncoded: block.der))
            } catch {
                throw CertificateFileError(
                    path,
                    "the certificate in '\(path)' is damaged or of a kind that is not known: \(Self.reason(error))")
            }
        }
        return certificates
    }

    /// The private key in the file.
    ///
    /// - Throws: ``CertificateFileError`` saying what the file is instead, or that the key is encrypted.
    func privateKey() throws(CertificateFileError) -> Certificate.PrivateKey {
        guard let block = blocks.first(where: \.isPrivateKey) else {
            throw refusal(wanted: "private key", shellCommand: "pkey")
        }
        if block.hasEncryptionHeader || block.label == "ENCRYPTED PRIVATE KEY" {
            throw CertificateFileError(
                path,
                "'\(path)' is encrypted, and there is nobody to ask for its passphrase; decrypt it with: "
                    + "openssl pkey -in \(path.shellWord) -out \(plainName.shellWord)")
        }
        if block.label == "OPENSSH PRIVATE KEY" {
            throw CertificateFileError(path, "'\(path)' is a key of ssh, not of TLS")
        }
        do {
            return try Certificate.PrivateKey(pemDocument: PEMDocument(type: block.label, derBytes: block.der))
        } catch {
            throw CertificateFileError(
                path, "the private key in '\(path)' is damaged or of a kind that is not known: \(Self.reason(error))")
        }
    }

    /// Where a key goes when it is decrypted or converted: beside the file, under a name of its own.
    private var plainName: FilePath {
        var name = path
        name.extension = "plain.pem"
        return name
    }

    /// Says what the file is, where it is not what was wanted.
    private func refusal(wanted: String, shellCommand: String) -> CertificateFileError {
        let advice: String
        if let label = blocks.first?.label {
            advice =
                switch label {
                case "CERTIFICATE": "holds a certificate and no \(wanted): are certificate and key swapped?"
                case _ where label.hasSuffix("PRIVATE KEY"):
                    "holds a private key and no \(wanted): are certificate and key swapped?"
                case "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST":
                    "holds a certificate request and no \(wanted): give what the CA made of the request"
                case "TRUSTED CERTIFICATE":
                    "holds a certificate in a form that OpenSSL alone reads; convert it with: "
                        + "openssl x509 -in \(path.shellWord) -out \(plainName.shellWord)"
                default: "holds '\(label)' and no \(wanted)"
                }
        } else {
            advice = binaryContent(wanted: wanted, shellCommand: shellCommand) ?? "holds no \(wanted) in PEM form"
        }
        return CertificateFileError(path, "'\(path)' \(advice)")
    }

    /// What a file is that holds DER, that is, PEM without the armour.
    private func binaryContent(wanted: String, shellCommand: String) -> String? {
        guard let root = try? DER.parse(bytes), root.identifier == .sequence else {
            return nil  // no DER at all
        }
        // A PKCS#12 archive begins with its version, 3.
        if case .constructed(let nodes) = root.content, let first = nodes.first(where: { _ in true }),
            (try? Int(derEncoded: first)) == 3
        {
            return "is a PKCS#12 archive where PEM is needed; take it apart with: "
                + "openssl pkcs12 -in \(path.shellWord) -nodes -out \(plainName.shellWord)"
        }
        return "is in DER form where PEM is needed; convert it with: "
            + "openssl \(shellCommand) -inform DER -in \(path.shellWord) -out \(plainName.shellWord)"
    }

    /// An error of the libraries below without the place in their source.
    private static func reason(_ error: any Error) -> String {
        if case CryptoKitError.incorrectParameterSize = error { return "RSA keys need at least 2048 bits" }
        let text = String(describing: error)
        let words = text.split(separator: " ")
        guard words.count > 1, let last = words.last, last.contains(".swift:") else { return text }
        return words.dropLast().joined(separator: " ")
    }
}
