// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import SystemPackage

/// A pool on a disk of its own that systemd does not wait for at boot.
struct DataTargetCheck: HostCheck {
    private static let dropIns: FilePath = "/etc/systemd/system/mobyfs-data.target.d"

    let pool: FilePath

    func findings() -> [FindingDetails] {
        // Only where the package with its units is installed.
        guard access("/usr/lib/systemd/system/mobyfs-data.target", F_OK) == 0,
            pool.string != Setting.dataDirectory.defaultValue, !isNamed,
            let mount = try? MountTable().mount(within: pool), !mount.mountpoint.isRoot
        else { return [] }
        return [
            finding(
                "data-target", pool.string,
                "it is on the file system at '\(mount.mountpoint)', which mobyfs-data.target does not wait for at boot",
                advice: "write '[Unit]' and 'RequiresMountsFor=\(pool)' into '\(Self.dropIns)/pool.conf'")
        ]
    }

    private var isNamed: Bool {
        ((try? Directories.entries(of: Self.dropIns)) ?? []).contains { entry in
            let bytes = (try? DurableFile.read(Self.dropIns.appending(entry))) ?? []
            return String(decoding: bytes, as: UTF8.self).contains(pool.string)
        }
    }
}
