// SPDX-License-Identifier: Apache-2.0

/// A file by which an engine might find a plugin of some name.
public struct PluginCandidate: Hashable, Sendable {
    /// The kinds of file.
    public enum Form: String, Hashable, Sendable {
        /// A socket, at which the plugin listens.
        case socket
        /// A file with an address.
        case spec
        /// A file with an address and certificates.
        case json
    }

    /// What becomes of the file when an engine looks for the name.
    public enum Verdict: Hashable, Sendable {
        /// It is the one that counts, even if it cannot be used.
        case taken
        /// One before it counts.
        case shadowed
        /// Engines pass over it, for a reason.
        case passedOver(String)
    }

    /// The file.
    public let path: String
    /// What kind of file it is to be by its name.
    public let form: Form
    /// What becomes of it.
    public let verdict: Verdict
    /// How an engine would reach the plugin by this file; nil if it could not.
    public let endpoint: PluginEndpoint?
    /// Why an engine could not, and what to write instead.
    public let problem: String?
    /// What an engine makes of it that its author may not have meant.
    public let remarks: [String]
}

/// What an engine finds when it looks for a name.
public struct PluginLookup: Hashable, Sendable {
    /// The name.
    public let name: String
    /// The files that are there, in the order in which an engine tries them.
    public let candidates: [PluginCandidate]
    /// Where was looked.
    public let directories: PluginDirectories

    /// The file that counts.
    public var taken: PluginCandidate? { candidates.first { $0.verdict == .taken } }

    /// How to reach the plugin.
    ///
    /// - Throws: ``PluginDiscoveryError`` if there is none of the name, or its file cannot be used.
    public var endpoint: PluginEndpoint {
        get throws(PluginDiscoveryError) {
            guard let taken else {
                throw PluginDiscoveryError(
                    isMissing: true,
                    "no plugin '\(name)': there is no '\(name).sock' in '\(directories.sockets)' and no "
                        + "'\(name).spec' or '\(name).json' in "
                        + directories.specs.map { "'\($0)'" }.joined(separator: " or "))
            }
            guard let endpoint = taken.endpoint else {
                throw PluginDiscoveryError(
                    isMissing: false, "plugin '\(name)': '\(taken.path)' is no use: \(taken.problem ?? "")")
            }
            return endpoint
        }
    }
}

/// Why a plugin cannot be found by its name.
public struct PluginDiscoveryError: Error, Hashable, CustomStringConvertible {
    /// Whether there is no file at all, rather than a bad one.
    public let isMissing: Bool
    /// What is wrong and what to do.
    public let description: String

    init(isMissing: Bool, _ description: String) {
        self.isMissing = isMissing
        self.description = description
    }
}
