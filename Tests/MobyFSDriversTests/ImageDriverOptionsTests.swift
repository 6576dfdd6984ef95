// SPDX-License-Identifier: Apache-2.0

import MobyFSDrivers
import MobyFSHost
import MobyFSTesting
import MobyFSVolumes
import SystemPackage
import Testing

@Suite struct ImageDriverOptionsTests {
    private func parse(_ given: [String: String]) throws -> [String: String] {
        try OptionParser(ImageDriver()).parse(given).options.values
    }

    /// From the README of docker-volume-loopback, and the defaults it names.
    @Test(
        arguments: [
            ([:], ["size": "1GiB"]),
            (["sparse": "true", "fs": "ext4", "size": "100MiB"], ["sparse": "true", "fs": "ext4", "size": "100MiB"]),
            (
                ["uid": "1000", "gid": "2000", "mode": "777"],
                ["uid": "1000", "gid": "2000", "mode": "0777", "size": "1GiB"]
            ),
            (["uid": "-1", "gid": "-1", "mode": "0", "fs": ""], ["size": "1GiB"]),
            (["fs": "XFS", "size": "2G"], ["fs": "xfs", "size": "2GiB"]),
            // Podman.
            (["o": "size=64M,uid=7"], ["size": "64MiB", "uid": "7"]),
        ] as [([String: String], [String: String])])
    func takesWhatDockerVolumeLoopbackTakes(given: [String: String], means: [String: String]) throws {
        #expect(try parse(given) == means)
    }

    @Test(
        arguments: [
            (["size": "10"], "10 bytes"), (["size": "10"], "8 MiB"), (["size": "0"], "8 MiB"),
            (["size": "299M", "fs": "xfs"], "300 MiB"), (["size": "108M", "fs": "btrfs"], "109 MiB"),
            (["fs": "ntfs"], "ext4, xfs or btrfs"), (["fs": "ext4;reboot"], "ext4;reboot"),
            (["fs": "../ext4"], "../ext4"),
            (["size": "-1"], "size='-1'"), (["size": "1G\n"], "control character"),
            (["sparse": "maybe"], "true or false"),
            (["size": "99999999P"], "size"), (["fs": "ext4", "nouuid": ""], "nouuid"),
        ] as [([String: String], String)])
    func refusesWhatMakesNoSense(given: [String: String], text: String) {
        let error = #expect(throws: VolumeError.self) { try parse(given) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    }
}
