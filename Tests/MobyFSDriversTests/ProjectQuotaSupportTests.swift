// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import SystemPackage
import Testing

@testable import MobyFSDrivers

/// What is said where nothing holds a directory to a size.
@Suite struct ProjectQuotaSupportTests {
    private func reason(_ state: ProjectQuota.State, at mountpoint: FilePath, _ format: QuotaFormat) -> String {
        let entry = MountEntry(
            id: 1, device: "8:1", root: "/", mountpoint: mountpoint, type: "ext4", source: "/dev/sda1")
        return ProjectQuotaSupport.reason(state, entry, format: format)
    }

    /// Such a kernel could mount the file system read-only at best: the host would not start any more.
    @Test(arguments: ["/", "/srv"] as [FilePath])
    func advisesNobodyToMakeHisDiskUseless(mountpoint: FilePath) {
        let text = reason(.off, at: mountpoint, .missing)
        let lack = "this kernel has no project quotas for the ext4 file system at '\(mountpoint)': use one"
        #expect(text.hasPrefix(lack))
        #expect(!text.contains("tune2fs"))
        let none = reason(.impossible, at: mountpoint, .unknown)
        #expect(none.hasPrefix(lack) && !none.contains("tune2fs"))
    }

    @Test(arguments: ["/", "/srv"] as [FilePath])
    func hasItCheckedFirstWhereItCannotBeTold(mountpoint: FilePath) throws {
        let text = reason(.off, at: mountpoint, .unknown)
        let check = try #require(text.firstRange(of: "modprobe quota_v2"))
        let change = try #require(text.firstRange(of: "tune2fs -O project,quota -Q prjquota /dev/sda1"))
        #expect(check.upperBound < change.lowerBound)
    }

    @Test(arguments: [QuotaFormat.builtIn, .module])
    func saysHowTheyAreSwitchedOn(format: QuotaFormat) {
        let (root, other) = (reason(.off, at: "/", format), reason(.off, at: "/srv", format))
        for text in [root, other] {
            #expect(text.contains("tune2fs -O project,quota -Q prjquota /dev/sda1") && !text.contains("modprobe"))
        }
        #expect(root.contains("rescue system") && other.contains("unmount it"))
        // The root is mounted before there are other modules.
        #expect(root.contains("initramfs") == (format == .module))
    }
}
