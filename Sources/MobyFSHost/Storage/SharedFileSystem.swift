// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// Whether other hosts have the file system of a directory too, and respect this host's locks on it.
package enum SharedFileSystem: Hashable, Sendable {
    /// It is this host's alone, as far as its type tells.
    case local(type: String)
    /// Others may have it, and locks reach them.
    case shared(type: String)
    /// Others may have it, and locks do not reach them; with what to do.
    case unlocked(type: String, advice: String)

    /// Looks at the mount table alone, and so never waits for a server.
    ///
    /// - Parameters:
    ///   - path: A directory, which need not be there yet.
    ///   - table: The mounts of this process.
    package init(of path: FilePath, in table: MountTable) {
        guard let mount = MountLocation(ofMounted: path, in: table)?.covering else {
            self = .local(type: "unknown")
            return
        }
        let options = Set(mount.options.split(separator: ",").map(String.init))
        func unless(_ bad: [String], _ advice: String) -> SharedFileSystem {
            options.isDisjoint(with: bad) ? .shared(type: mount.type) : .unlocked(type: mount.type, advice: advice)
        }
        self =
            switch mount.type {
            case "ceph", "fuse.ceph", "fuse.ceph-fuse", "fuse.glusterfs", "gfs2", "ocfs2": .shared(type: mount.type)
            case "nfs", "nfs4":
                unless(
                    ["nolock", "local_lock=all", "local_lock=flock", "local_lock=posix"],
                    "mount it with local_lock=none and without nolock")
            case "cifs", "smb3": unless(["nobrl"], "mount it without nobrl")
            case "lustre":
                options.contains("flock")
                    ? .shared(type: mount.type) : .unlocked(type: mount.type, advice: "mount it with flock")
            case "fuse.sshfs": .unlocked(type: mount.type, advice: "use GlusterFS, CephFS or NFS")
            default: .local(type: mount.type)
            }
    }
}
