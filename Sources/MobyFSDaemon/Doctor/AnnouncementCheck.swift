// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery
import Glibc
import SystemPackage

/// A socket unit that listens while no file leads engines to its socket: who has removed it, nobody writes it again.
struct AnnouncementCheck: HostCheck {
    /// The unit that has the file written when it begins to listen, and only then.
    var unit: FilePath = "/usr/lib/systemd/system/mobyfs.socket"
    /// Where it listens; systemd removes the socket when it ends.
    var socket: FilePath = "/run/mobyfs/mobyfs.sock"
    /// The file that it has written.
    let file: SpecFile

    func findings() -> [FindingDetails] {
        // What engines find elsewhere serves as well.
        guard access(unit.string, F_OK) == 0, access(socket.string, F_OK) == 0, let lookup = try? file.lookUp(),
            lookup.taken == nil
        else { return [] }
        return [
            finding(
                "spec", file.path(.spec),
                "it is not there, though '\(socket)' is: engines do not find mobyfs, and each of their calls for a volume "
                    + "of it waits",
                advice: "write it with 'mobyfs spec write', as mobyfs.socket does when it starts")
        ]
    }
}
