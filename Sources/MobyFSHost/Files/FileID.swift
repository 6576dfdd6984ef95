// SPDX-License-Identifier: Apache-2.0

package import Glibc
package import SystemPackage

/// Which file it is, whatever it is called: two paths with the same lead to one file.
package struct FileID: Hashable, Sendable {
    /// The file system, as stat(2) tells it; not the same after a reboot.
    package let device: dev_t
    /// The file's number there.
    package let inode: ino_t

    package init(device: dev_t, inode: ino_t) {
        self.device = device
        self.inode = inode
    }

    /// The file system as a mount table tells it: `MAJOR:MINOR`, in the places that makedev(3) has for them.
    var deviceNumber: String {
        let (major, minor) = (device >> 8 & 0xfff | device >> 32 & ~0xfff, device & 0xff | device >> 12 & 0xffff_ff00)
        return "\(major):\(minor)"
    }

    /// Looks a file up; a symbolic link at the end of the path is not followed.
    package init(of path: FilePath) throws {
        var status = stat()
        try check(lstat(path.string, &status), "stat '\(path)'")
        self.init(device: status.st_dev, inode: status.st_ino)
    }

    /// Which file or folder is at a path, by a name that it keeps after a reboot and wherever it is moved on its file system.
    ///
    /// All subvolumes of btrfs have one and the same number.
    package static func lastingName(at path: FilePath) throws -> String {
        if let subvolume = try? BtrfsDirectory(path).subvolume() { return subvolume.uuid }
        return try "\(FileID(of: path).inode)"
    }

    init(ofDescriptor descriptor: CInt, named path: FilePath) throws {
        var status = stat()
        try check(fstat(descriptor, &status), "stat '\(path)'")
        self.init(device: status.st_dev, inode: status.st_ino)
    }
}
