// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// What `docker volume inspect` tells of a volume.
struct VolumeInspection: Decodable {
    struct Status: Decodable {
        let driver: String
        /// How many mounts hold the volume: a JSON number, so that scripts can compare it.
        let mounts: Int
    }

    let createdAt: String
    let driver: String
    let labels: [String: String]?
    let mountpoint: String
    let name: String
    let options: [String: String]?
    let scope: String
    let status: Status?

    enum CodingKeys: String, CodingKey {
        case createdAt = "CreatedAt"
        case driver = "Driver"
        case labels = "Labels"
        case mountpoint = "Mountpoint"
        case name = "Name"
        case options = "Options"
        case scope = "Scope"
        case status = "Status"
    }

    /// Reads the reply for one volume.
    init(reply: String) throws {
        let all = try JSONDecoder().decode([Self].self, from: Data(reply.utf8))
        guard let one = all.first, all.count == 1 else { throw NotOneVolume(description: reply) }
        self = one
    }

    private struct NotOneVolume: Error, CustomStringConvertible {
        let description: String
    }
}
