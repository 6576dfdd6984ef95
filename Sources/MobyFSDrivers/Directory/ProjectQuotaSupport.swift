// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import SystemPackage

/// Whether a directory could be held to a size, in words.
enum ProjectQuotaSupport {
    /// Why a new volume at a path cannot be held to a size; nil if it can be.
    ///
    /// Blocks.
    ///
    /// - Parameter path: A directory, of which the last parts may be missing yet.
    /// - Returns: The reason with the way out: lower case, no full stop.
    static func reasonAgainst(newAt path: FilePath) -> String? {
        var existing = path
        while Directories.isDirectory(existing) == nil, !existing.isRoot { existing.removeLastComponent() }
        if let reason = reasonAgainst(existing) { return reason }
        do {
            let membership = try ProjectMembership(of: existing)
            // A directory can be in one project only, and not in that of an administrator and in its own.
            guard membership.inherits, !DirectoryQuota.numbers.contains(membership.id) else { return nil }
            return
                "all that is in '\(existing)' belongs to project \(membership.id), and can be in no other: take it out "
                + "of that with 'chattr -P' and 'chattr -p 0'"
        } catch {
            return "\(error)"
        }
    }

    /// Why limits do not hold on the file system of a directory; nil if they do.
    ///
    /// Blocks.
    static func reasonAgainst(_ path: FilePath) -> String? {
        do {
            let state = try ProjectQuota(of: path).state()
            guard state != .enforcing else { return nil }
            return reason(state, try MountLocation(of: path, in: MountTable()).covering)
        } catch {
            return "\(error)"
        }
    }

    /// Why limits do not hold on a file system.
    ///
    /// - Parameters:
    ///   - state: What it does about projects, anything but enforcing their limits.
    ///   - entry: Its mount.
    ///   - format: Where the kernel has the quotas of ext4.
    /// - Returns: The reason with the way out: lower case, no full stop.
    static func reason(
        _ state: ProjectQuota.State, _ entry: MountEntry, format: @autoclosure () -> QuotaFormat = QuotaFormat()
    ) -> String {
        let place = "the \(entry.type) file system at '\(entry.mountpoint)'"
        switch (state, entry.type) {
        case (.impossible, "ext4"), (.impossible, "xfs"): return lackOfKernelSupport(place)
        case (.impossible, _): return "\(place) has no project quotas, as ext4 and xfs have"
        case (.counting, "ext4"):
            return
                "the project quotas of \(place) are counted and not enforced: mount it with the option prjquota, or run "
                + "'quotaon -P \(entry.mountpoint)'"
        case (_, "ext4"):
            let format = format()
            guard format != .missing else { return lackOfKernelSupport(place) + ", CONFIG_QFMT_V2 too" }
            return "the project quotas of \(place) are not switched on" + wayOn(entry, format)
        default:
            return
                "the project quotas of \(place) are not switched on: mount it anew with the option prjquota (for the root "
                + "file system, rootflags=prjquota on the kernel's command line)"
        }
    }

    private static func lackOfKernelSupport(_ place: String) -> String {
        "this kernel has no project quotas for \(place): use one that is built with them"
    }

    /// How the project quotas of an ext4 file system are switched on.
    ///
    /// A kernel that is not up to them could not write to it any more: where that cannot be told, it is to be seen first.
    private static func wayOn(_ entry: MountEntry, _ format: QuotaFormat) -> String {
        let change = "run 'tune2fs -O project,quota -Q prjquota \(entry.source)'"
        let check =
            format == .unknown
            ? "make sure that this kernel has CONFIG_QFMT_V2, or it will not mount it to be written any more ('modprobe "
                + "quota_v2' succeeds, or 'grep QFMT_V2 /boot/config-$(uname -r)' says y), then "
            : ""
        guard entry.mountpoint.isRoot else {
            return ": \(check)unmount it, \(change) and mount it with the option prjquota"
        }
        let initramfs =
            format == .builtIn
            ? ""
            : "see to it that the initramfs has the module quota_v2 (on Debian, add it to /etc/initramfs-tools/modules and "
                + "run 'update-initramfs -u'), and "
        return ", and can only be while it is not mounted: keep volumes on a disk of their own, or "
            + "\(check)\(initramfs)\(change) from a rescue system"
    }
}
