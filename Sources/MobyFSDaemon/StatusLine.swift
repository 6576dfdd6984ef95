// SPDX-License-Identifier: Apache-2.0

import DockerPluginServer
import MobyFSVolumes

/// What `systemctl status` shows: `12 volumes, 3 in use`, and whatever somebody should look at.
struct StatusLine: Sendable, CustomStringConvertible {
    let volumes: VolumeManager
    let tls: ServerTLS?
    /// Addresses that take plain TCP from other hosts.
    let insecure: [ListenAddress]

    var description: String {
        let counts = volumes.counts
        var parts = ["\(counts.volumes) volume\(counts.volumes == 1 ? "" : "s"), \(counts.inUse) in use"]
        if let trouble = volumes.poolTrouble ?? volumes.poolSickness ?? volumes.poolCondition.map({ "the pool: \($0)" })
        {
            parts.append("TROUBLE: \(trouble)")
        }
        if let trouble = tls?.trouble { parts.append("TLS: \(trouble)") }
        if !insecure.isEmpty {
            parts.append("INSECURE: plain TCP on \(insecure.map(\.description).joined(separator: ", "))")
        }
        return parts.joined(separator: "; ")
    }
}
