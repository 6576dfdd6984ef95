// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSVolumes
import SystemPackage

extension MountRequest {
    /// Whether a mount is what the request asks for, as far as its name tells.
    ///
    /// Where the kernel has other names for a thing than its user, it is taken for the right one: what is mounted there is
    /// mobyfs' own, and seldom wrong. Blocks; looks at no file system that is remote.
    func isExpected(_ entry: MountEntry) throws -> Bool {
        if isBind {
            let location = try MountLocation(of: FilePath(source), in: MountTable())
            return entry.device == location.covering.device && entry.root == location.root
        }
        if let names = type.namesInMountTable, !names.contains(entry.type) { return false }
        if type.isOnDisk { return Directories.resolve(FilePath(entry.source)) == Directories.resolve(FilePath(source)) }
        if type.isLocal { return entry.source == source }
        guard type.isNFS || type.isSMB || type.isSSHFS, options["fsname"] == nil else { return true }
        var found = Self.normalized(entry.source)
        // The user may come from credentials=.
        if type.isSSHFS, !source.contains("@"), let at = found.firstIndex(of: "@") {
            found = String(found[found.index(after: at)...])
        }
        return found == Self.normalized(source)
    }

    /// `\\SERVER\Share\` and `//server/share` are one.
    private static func normalized(_ source: String) -> String {
        var text = source.lowercased().map { $0 == "\\" ? "/" : $0 }
        while text.last == "/", text.count > 1 { text.removeLast() }
        return String(text)
    }

    /// The request with the volume's owner and mode as mount options, where files have those that options say.
    func adding(_ volume: VolumeOptions) -> MountRequest {
        guard type.takesOwnerAsOption, !isBind else { return self }
        var request = self
        let modeName = type.isSMB ? "dir_mode" : nil
        for (key, value) in [
            ("uid", volume.owner.map { "\($0)" }), ("gid", volume.group.map { "\($0)" }),
            (modeName ?? "", modeName == nil ? nil : volume["mode"]),
        ] {
            guard let value, options[key] == nil else { continue }
            request.append(.init(key, value))
        }
        return request
    }

    /// Runs `body`, which sets owner and mode, and says why that cannot be done.
    func explaining(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as SystemCallError {
            throw VolumeError(
                .unavailable,
                "uid, gid and mode cannot be set on \(type.name): leave them out, or set them where the files are",
                cause: SystemCallError("\(error.call) (\(error.errno.name))", error.errno))
        }
    }
}
