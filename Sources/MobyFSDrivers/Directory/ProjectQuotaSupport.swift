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

    private static func reason(_ state: ProjectQuota.State, _ entry: MountEntry) -> String {
        let place = "the \(entry.type) file system at '\(entry.mountpoint)'"
        switch (state, entry.type) {
        case (.impossible, "ext4"), (.impossible, "xfs"):
            return "this kernel has no project quotas for \(place): use one that is built with them"
        case (.impossible, _): return "\(place) has no project quotas, as ext4 and xfs have"
        case (.counting, "ext4"):
            return
                "the project quotas of \(place) are counted and not enforced: mount it with the option prjquota, or run "
                + "'quotaon -P \(entry.mountpoint)'"
        case (_, "ext4") where entry.mountpoint.isRoot:
            return
                "the project quotas of \(place) are not switched on, and can only be while it is not mounted: keep volumes on "
                + "a disk of their own, or run 'tune2fs -O project,quota -Q prjquota \(entry.source)' from a rescue system"
        case (_, "ext4"):
            return "the project quotas of \(place) are not switched on: unmount it, run 'tune2fs -O project,quota -Q "
                + "prjquota \(entry.source)' and mount it with the option prjquota"
        default:
            return
                "the project quotas of \(place) are not switched on: mount it anew with the option prjquota (for the root "
                + "file system, rootflags=prjquota on the kernel's command line)"
        }
    }
}
