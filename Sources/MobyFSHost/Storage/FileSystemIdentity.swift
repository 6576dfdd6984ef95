// SPDX-License-Identifier: Apache-2.0

import CMobyFSShims
import FoundationEssentials
import Glibc
package import SystemPackage

/// Which file system a directory is on, in terms that survive a reboot.
package struct FileSystemIdentity: Hashable, Sendable, Codable {
    /// Where the file system is mounted.
    package var mountpoint: String
    /// Its type, such as `xfs`.
    package var type: String
    /// Its UUID in hexadecimal digits, where the kernel tells (Linux 6.9).
    package var uuid: String?
    /// Its statfs(2) identifier in hexadecimal digits, where that is made of the UUID.
    package var fsid: String?

    package init(mountpoint: String, type: String, uuid: String? = nil, fsid: String? = nil) {
        self.mountpoint = mountpoint
        self.type = type
        self.uuid = uuid
        self.fsid = fsid
    }

    /// Identifies the file system of an existing directory.
    package init(of path: FilePath) throws {
        let covering = try MountLocation(of: path, in: MountTable()).covering
        self.init(mountpoint: covering.mountpoint.string, type: covering.type)
        // A file system in memory or on a network has an identifier too, but another one for each mount.
        guard covering.source.hasPrefix("/dev/") else { return }

        let descriptor = try check(open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open '\(path)'")
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 16)
        let length = mobyfs_filesystem_uuid(descriptor, &bytes)
        if length > 0 { uuid = Self.hexadecimal(bytes[..<Int(length)]) }

        var identifier: UInt64 = 0
        if mobyfs_stable_fsid(descriptor, &identifier) == 0 { fsid = String(identifier, radix: 16) }
    }

    private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Whether the directory that is there now is on the file system that was there then.
    ///
    /// What only one of the two knows, for the kernel or the record is older, does not count.
    package func matches(_ other: FileSystemIdentity) -> Bool {
        func agree(_ one: String?, _ two: String?) -> Bool { one == nil || two == nil || one == two }
        return mountpoint == other.mountpoint && type == other.type && agree(uuid, other.uuid)
            && agree(fsid, other.fsid)
    }
}

extension FileSystemIdentity: CustomStringConvertible {
    package var description: String {
        let identifier = uuid.map { ", UUID \($0)" } ?? fsid.map { ", ID \($0)" } ?? ""
        return "the \(type) file system at '\(mountpoint)'\(identifier)"
    }
}
