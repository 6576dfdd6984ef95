// SPDX-License-Identifier: Apache-2.0

import DockerPlugin
import FoundationEssentials
import Glibc

// Quoted in "Write a volume plugin".

struct MemoryVolumes: VolumeStorage {
    let root: String

    func mountpoint(of volume: StoredVolume) -> String { "\(root)/\(volume.name)" }

    func create(_ volume: StoredVolume) throws {
        guard Set(volume.options.keys).isSubset(of: ["size"]) else { throw PluginError("the one option is 'size'") }
        try FileManager.default.createDirectory(atPath: mountpoint(of: volume), withIntermediateDirectories: true)
    }

    func remove(_ volume: StoredVolume) throws {
        guard rmdir(mountpoint(of: volume)) == 0 || errno == ENOENT else { throw failure("remove", volume) }
    }

    func mount(_ volume: StoredVolume) throws {
        if isMounted(volume) { return }
        let options = "mode=0755,size=\(volume.options["size"] ?? "64m")"
        guard Glibc.mount("tmpfs", mountpoint(of: volume), "tmpfs", 0, options) == 0 else {
            throw failure("mount", volume)
        }
    }

    func unmount(_ volume: StoredVolume) throws {
        guard !isMounted(volume) || umount2(mountpoint(of: volume), 0) == 0 else { throw failure("unmount", volume) }
    }

    private func isMounted(_ volume: StoredVolume) -> Bool {
        var (own, parent) = (stat(), stat())
        return stat(mountpoint(of: volume), &own) == 0 && stat(root, &parent) == 0 && own.st_dev != parent.st_dev
    }

    private func failure(_ what: String, _ volume: StoredVolume) -> PluginError {
        PluginError("cannot \(what) volume '\(volume.name)': \(String(cString: strerror(errno)))")
    }
}
