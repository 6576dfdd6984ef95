// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Finds plugins by name as engines find them.
///
/// The functions read small local files and block meanwhile. A FIFO in the way, at which an engine would wait for
/// ever, is reported and not waited for. Source: moby's `pkg/plugins/discovery.go`.
public struct PluginDiscovery: Hashable, Sendable {
    /// Where is looked.
    public let directories: PluginDirectories

    /// Looks into folders.
    ///
    /// - Parameter directories: Where to look; by default, where engines look.
    public init(directories: PluginDirectories = PluginDirectories()) {
        self.directories = directories
    }

    /// Looks for a plugin of a name.
    ///
    /// - Parameter name: As in `docker volume create -d`.
    /// - Returns: Every file that might be meant, and which one counts.
    /// - Throws: ``PluginDiscoveryError`` if that cannot be the name of a plugin.
    public func lookUp(_ name: String) throws(PluginDiscoveryError) -> PluginLookup {
        try Self.requireName(name)
        var candidates: [PluginCandidate] = []
        var isTaken = false
        for (path, form) in places(of: name) {
            guard DirectoryEntry.kind(of: path, followingLinks: false) != nil else { continue }
            var verdict: PluginCandidate.Verdict = isTaken ? .shadowed : .taken
            if let reason = reasonToPassOver(path, form) { verdict = .passedOver(reason) }
            if verdict == .taken { isTaken = true }
            candidates.append(PluginCandidate(path: path, form: form, verdict: verdict, name: name))
        }
        return PluginLookup(name: name, candidates: candidates, directories: directories)
    }

    /// Makes sure that engines would look for a name in their folders and nowhere else.
    static func requireName(_ name: String) throws(PluginDiscoveryError) {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.contains(where: { ["", ".", ".."].contains($0) }), !name.unicodeScalars.contains("\0") else {
            throw PluginDiscoveryError(isMissing: true, "'\(name)' is no name for a plugin")
        }
    }

    /// The paths for a name, in the order in which engines try them.
    private func places(of name: String) -> [(path: String, form: PluginCandidate.Form)] {
        func both(_ directory: String, _ suffix: String) -> [String] {
            ["\(directory)/\(name)\(suffix)", "\(directory)/\(name)/\(name)\(suffix)"]
        }
        return both(directories.sockets, ".sock").map { ($0, .socket) }
            + directories.specs.flatMap { directory in
                both(directory, ".spec").map { ($0, .spec) } + both(directory, ".json").map { ($0, .json) }
            }
    }

    private func reasonToPassOver(_ path: String, _ form: PluginCandidate.Form) -> String? {
        guard let kind = DirectoryEntry.kind(of: path, followingLinks: true) else {
            let reason = errno
            return reason == ENOENT
                ? "a symbolic link that leads nowhere"
                : "cannot be looked at: \(String(cString: strerror(reason)).lowercased())"
        }
        return form == .socket && kind != S_IFSOCK ? "no socket" : nil
    }

    /// Files that seem to be meant for a plugin, and that no engine looks at: `NAME.socket`, `NAME.yaml`, `NAME`.
    public func strays(of name: String) -> [String] {
        let folders =
            [(directories.sockets, [".sock"])] + directories.specs.map { directory in (directory, [".spec", ".json"]) }
        // In front of a slash is a folder.
        let slash = name.lastIndex(of: "/")
        let middle = slash.map { "/\(name[..<$0])" } ?? ""
        let base = slash.map { name[name.index(after: $0)...].lowercased() } ?? name.lowercased()
        return folders.flatMap { directory, suffixes in
            ["\(directory)\(middle)", "\(directory)/\(name)"].flatMap { folder in
                // What cannot be read has nothing to tell.
                ((try? DirectoryEntry.list(folder)) ?? [])
                    .filter { $0.kind != S_IFDIR && !suffixes.contains($0.suffix) }
                    .filter { [$0.stem.lowercased(), $0.name.lowercased()].contains(base) }
                    .map(\.path)
            }
        }
    }
}
