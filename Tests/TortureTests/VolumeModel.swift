// SPDX-License-Identifier: Apache-2.0

import DockerPlugin

/// What a client was told of its volumes, and what must therefore be so.
struct VolumeModel: Hashable, Sendable {
    struct Volume: Hashable, Sendable {
        var driver: String
        var size: String?
        var mode: String?
        /// The text of its file.
        var content: String?
        /// Mounts that were not taken back, by their IDs.
        var holders: [String: Int] = [:]
        /// What each snapshot has; nil where that is not seen.
        var snapshots: [String: Snapshot?] = [:]
    }

    struct Snapshot: Hashable, Sendable {
        var size: String?
        /// The text of its file.
        var content: String?
    }

    var volumes: [String: Volume] = [:]
}

/// A call and what it makes of a model.
struct TortureCall: Sendable {
    enum Socket { case plugin, control }

    let socket: Socket
    let method: String
    let body: JSONValue
    let after: VolumeModel
    /// What a refusal may say; any other is a finding.
    var refusals: [String] = []
}
