// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import SystemPackage

/// Why something could not be done with a volume; the engine shows its user the text.
package struct VolumeError: Error, Sendable {
    /// The kind of reason.
    package struct Code: Hashable, Sendable {
        private enum Base { case invalidArgument, notFound, alreadyExists, inUse, protected, unavailable, io }
        private let base: Base

        /// The request makes no sense.
        package static let invalidArgument = Self(base: .invalidArgument)
        /// There is no such volume, for certain.
        package static let notFound = Self(base: .notFound)
        /// The name is taken by a volume with other options.
        package static let alreadyExists = Self(base: .alreadyExists)
        /// Somebody holds the volume.
        package static let inUse = Self(base: .inUse)
        /// The volume is protected against removal.
        package static let protected = Self(base: .protected)
        /// What the volume needs is not there now.
        package static let unavailable = Self(base: .unavailable)
        /// The kernel refused.
        package static let io = Self(base: .io)
    }

    package var code: Code
    /// What is wrong and what to do: lower case, no full stop.
    package var message: String
    package var cause: (any Error)?

    package init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }
}

extension VolumeError: CustomStringConvertible {
    package var description: String {
        cause.map { "\(message): \($0)" } ?? message
    }
}

extension VolumeError {
    /// What to do about a failed system call, where the call's own text says too little.
    static func advice(on error: SystemCallError) -> String? {
        switch error.errno {
        case .noSpace, .diskQuotaExceeded: "the pool is full, make room in it"
        case .readOnlyFileSystem: "its file system is read-only; 'dmesg' may say why; mend it and mount it anew"
        case .tooManyOpenFiles:
            "the daemon has as many files open as it may: raise LimitNOFILE= of its unit with 'systemctl edit mobyfs', and "
                + "restart it"
        case .tooManyOpenFilesInSystem:
            "the host has as many files open as it may: raise it with 'sysctl fs.file-max=NUMBER', or end what has them open"
        default: nil
        }
    }

    /// What could not be done because of another error, with what to do about that one.
    package static func failure(_ what: String, _ error: any Error) -> VolumeError {
        let advice = (error as? SystemCallError).flatMap { Self.advice(on: $0) }.map { ": \($0)" } ?? ""
        return VolumeError((error as? VolumeError)?.code ?? .io, what + advice, cause: error)
    }
}

extension Error {
    /// The same error with another path in the place of one that says nothing to whoever reads it.
    func telling(of path: FilePath, as shown: FilePath) -> any Error {
        func told(_ text: String) -> String { text.replacing(path.string, with: shown.string) }
        switch self {
        case let error as SystemCallError: return SystemCallError(told(error.call), error.errno)
        case var error as VolumeError:
            error.message = told(error.message)
            error.cause = error.cause?.telling(of: path, as: shown)
            return error
        default: return self
        }
    }
}
