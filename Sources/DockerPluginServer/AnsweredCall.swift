// SPDX-License-Identifier: Apache-2.0

public import DockerPlugin

/// A call as it was answered, for metrics and logs.
public struct AnsweredCall: Sendable {
    /// The call, such as `VolumeDriver.Mount`; nil for a request that was none the plugin knows.
    public let method: String?
    /// Who called.
    public let caller: Caller
    /// The HTTP status, or nil if the connection was closed without an answer or the client did not wait for it.
    ///
    /// A call that failed has 200, and an ``error``.
    public let status: Int?
    /// What the engine was told that failed.
    public let error: String?
    /// The time from the last byte of the request to the answer; from the first byte of a request that was
    /// refused before its end.
    public let duration: Duration
    /// The size of the request's body.
    public let requestBytes: Int
    /// The size of the answer's body.
    public let responseBytes: Int
}
