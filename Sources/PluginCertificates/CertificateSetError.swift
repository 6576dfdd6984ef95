// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// Why a set of certificates cannot be made or renewed.
package struct CertificateSetError: Error, Hashable, CustomStringConvertible {
    /// What is wrong and what to do.
    package let description: String

    init(_ description: String) {
        self.description = description.printable
    }

    static let noHost = Self(
        "no host is given: name what engines will connect to, with --host for each name and address")

    static func exists(_ files: [CertificateSet.File], in directory: FilePath) -> Self {
        let names = files.map(\.rawValue).sorted().joined(separator: ", ")
        return Self(
            "'\(directory)' has \(names) already: --renew makes new certificates with the same CA, "
                + "--force makes all anew, and then each engine needs its new files")
    }

    static func none(in directory: FilePath) -> Self {
        Self(
            "'\(directory)' has no certificates (ca.pem, server-cert.pem and so on): "
                + "make them with 'mobyfs tls create --host NAME', or name files to inspect")
    }
}
