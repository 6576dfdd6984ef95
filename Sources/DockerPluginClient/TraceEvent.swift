// SPDX-License-Identifier: Apache-2.0

/// What happens on the way to a plugin and back, for a person who looks on.
///
/// Later versions may have more cases.
public enum TraceEvent: Sendable {
    /// A sentence: connected, TLS agreed on.
    case note(String)
    /// An attempt failed, and after a pause there is another.
    case retry(PluginClientError, after: Duration)
    /// Bytes that were sent, before TLS wraps them.
    case sent([UInt8])
    /// Bytes that were received, out of their TLS wrapping.
    case received([UInt8])
}
