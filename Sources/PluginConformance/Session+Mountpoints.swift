// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import SystemPackage

extension Session {
    /// Runs `body` with a mountpoint, if it can be looked at from here.
    func look<Result: Sendable>(
        at mountpoint: String, _ body: @escaping @Sendable (FilePath) throws -> Result
    ) async throws -> Result {
        guard isLocal else {
            throw NotObservable("the plugin is on another host, so that '\(mountpoint)' cannot be looked at")
        }
        return try await HostFiles.run(within: limits.files, on: mountpoint) {
            let path = FilePath(mountpoint)
            guard Directories.isDirectory(path) == true else {
                throw NotObservable("'\(mountpoint)' is no directory here")
            }
            return try body(path)
        }
    }

    /// Writes a file into a volume, by which it can be told again.
    ///
    /// - Returns: The file's name; nil if that cannot be done.
    func mark(_ volume: MountedVolume) async -> String? {
        let name = ".\(newName())"
        // What cannot be marked has to do without.
        return try? await look(at: volume.mountpoint) { directory in
            try DurableFile.write(Array(volume.name.utf8), to: directory.appending(name), isDurable: false)
            return name
        }
    }

    /// Whether the file is in a volume.
    func hasMark(_ mark: String, at mountpoint: String) async throws -> Bool {
        guard isLocal else { return false }
        return try await HostFiles.run(within: limits.files, on: mountpoint) {
            try Directories.isDirectory(FilePath(mountpoint)) == true
                && Directories.entries(of: FilePath(mountpoint)).contains(mark)
        }
    }

    /// Makes sure that a volume is still mounted, by every sign there is.
    ///
    /// - Parameters:
    ///   - volume: The volume.
    ///   - mark: A file that was written into it.
    ///   - event: What has happened since.
    /// - Returns: What was seen.
    /// - Throws: ``Violation``, or ``NotObservable`` if nothing shows it.
    func requireStillMounted(_ volume: MountedVolume, _ mark: String?, after event: String) async throws -> String {
        var seen: [String] = []
        if let mark {
            guard try await hasMark(mark, at: volume.mountpoint) else {
                throw Violation("after \(event), the file that was in '\(volume.mountpoint)' is gone")
            }
            seen.append("the file in '\(volume.mountpoint)' is there")
        }
        let signs = try await holdingSigns()
        if signs.areReadable {
            if let doubt = signs.doubt(try await sample(volume.name, at: volume.mountpoint)) {
                throw Violation("after \(event), the volume counts as unmounted: \(doubt)")
            }
            seen.append("the plugin counts it as mounted")
        }
        guard !seen.isEmpty else {
            throw NotObservable(
                "nothing shows whether a volume is mounted: its files cannot be seen, and Get and the mount table say nothing"
            )
        }
        return "after \(event), \(seen.joined(separator: " and "))"
    }
}
