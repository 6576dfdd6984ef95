// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// Something that an inspection has to say.
package struct CertificateFinding: Hashable, Sendable {
    package enum Severity: String, Comparable, Sendable {
        /// Good to know.
        case note
        /// It works, but not for long or not as well as it could.
        case warning
        /// It does not work, or is not safe.
        case error

        package static func < (one: Severity, other: Severity) -> Bool { one.rank < other.rank }

        private var rank: Int {
            switch self {
            case .note: 0
            case .warning: 1
            case .error: 2
            }
        }
    }

    package let severity: Severity
    /// The file it is about.
    package let path: FilePath
    /// A line that names the file, says what is so and what to do.
    package let text: String

    init(_ severity: Severity, _ path: FilePath, _ text: String) {
        self.severity = severity
        self.path = path
        self.text = text.printable
    }

    init(_ error: CertificateFileError) {
        self.init(.error, error.path, error.description)
    }
}
