// SPDX-License-Identifier: Apache-2.0

/// What happens on the way to a plugin and back, for a person who looks on.
///
/// Later versions may have more cases.
public enum TraceEvent: Hashable, Sendable {
    /// A sentence: connected, TLS agreed on, another attempt.
    case note(String)
    /// Bytes that were sent, before TLS wraps them.
    case sent([UInt8])
    /// Bytes that were received, out of their TLS wrapping.
    case received([UInt8])
}
