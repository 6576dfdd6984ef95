// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// Why a file is of no use as a certificate or a private key.
package struct CertificateFileError: Error, Hashable, CustomStringConvertible {
    /// The file.
    package let path: FilePath
    /// What is wrong and what to do, in one line that begins with the file in quotes or with what was tried.
    package let description: String

    init(_ path: FilePath, _ description: String) {
        self.path = path
        self.description = description.printable
    }
}

extension String {
    /// The text as it may go to a terminal or a log: control characters, which a certificate may well have in its
    /// names, replaced.
    var printable: String {
        let isPrintable = unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
        if isPrintable { return self }
        return String(
            String.UnicodeScalarView(
                unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
    }
}

extension FilePath {
    /// The path as a shell takes it for one word.
    var shellWord: String {
        let plain = string.utf8.allSatisfy { byte in
            switch UInt8(byte) {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "-"),
                UInt8(ascii: "_"):
                true
            default: false
            }
        }
        if plain, !string.hasPrefix("-") { return string }
        return "'\(string.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''"))'"
    }
}
