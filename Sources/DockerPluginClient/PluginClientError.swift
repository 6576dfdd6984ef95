// SPDX-License-Identifier: Apache-2.0

/// Why a call to a plugin failed, in one line for people.
public struct PluginClientError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    public struct Code: Hashable, Sendable {
        private enum Base {
            case misconfigured, unreachable, untrusted, dropped, timedOut, badAnswer, tooLarge, refused
        }
        private let base: Base

        /// The call cannot be made as it is written: a certificate that cannot be read, a method that is none.
        public static let misconfigured = Self(base: .misconfigured)
        /// There is no connection to be had.
        public static let unreachable = Self(base: .unreachable)
        /// The two sides do not get through TLS: one does not accept the other's certificate, for example.
        public static let untrusted = Self(base: .untrusted)
        /// The plugin closed the connection before it answered anything.
        public static let dropped = Self(base: .dropped)
        /// Time was up.
        public static let timedOut = Self(base: .timedOut)
        /// What came is no HTTP, no JSON, or not all of it.
        public static let badAnswer = Self(base: .badAnswer)
        /// The answer is larger than the limit.
        public static let tooLarge = Self(base: .tooLarge)
        /// The plugin answered with an error: the call arrived, and failed.
        public static let refused = Self(base: .refused)
    }

    /// What kind of failure it is.
    public let code: Code
    /// What went wrong and what to do, naming the address; for ``Code/refused`` just what an engine would say.
    public let description: String
    /// The HTTP status, where the plugin answered with one.
    public let status: Int?

    init(_ code: Code, _ description: String, status: Int? = nil) {
        self.code = code
        self.description = description
        self.status = status
    }

    /// Whether engines try again after this, and with reason: nothing was answered, and waiting may help.
    var mayPass: Bool { code == .unreachable || code == .dropped }
}
