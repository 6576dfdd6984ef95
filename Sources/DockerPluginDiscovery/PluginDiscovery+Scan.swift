// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What an engine lists when it looks for all plugins.
public struct PluginScan: Hashable, Sendable {
    /// The names, each once, in order.
    public var names: [String]
    /// Why nothing more is listed, if that is so.
    public var problem: String?
}

extension PluginDiscovery {
    /// Lists plugins as engines do for `docker volume ls`, `system df` and `volume prune`.
    ///
    /// - Parameter era: Which engines.
    /// - Returns: What they list: not all of it need be a plugin, nor all plugins be in it.
    public func scan(as era: EngineEra) -> PluginScan {
        do throws(RegularFileError) {
            let names = era.listsEverything ? everything().map(\.stem) : try sockets() + specs()
            return PluginScan(names: Set(names).sorted(), problem: nil)
        } catch {
            // From 18.03 on one folder that cannot be read ends it all.
            return PluginScan(names: [], problem: error.description)
        }
    }

    /// Every name that some engine lists, and those that no engine lists but finds when they are used.
    ///
    /// A file in a folder can be used as `FOLDER/NAME`; that old engines list it as `NAME` is left out. They also list
    /// the sockets of managed plugins, which are in folders named by an ID; so are these.
    public var names: [String] {
        let scans = scan(as: .v25).names + everything().filter { !$0.isOfManagedPlugin }.map(usableName)
        // Engines do not list a symbolic link to a socket.
        let links = ((try? DirectoryEntry.list(directories.sockets)) ?? [])  // what cannot be read has no names
            .filter { $0.kind == S_IFLNK && $0.suffix == ".sock" }
            .filter { DirectoryEntry.kind(of: $0.path, followingLinks: true) == S_IFSOCK }
        return Set(scans + links.map(\.stem)).sorted()
    }

    /// The name by which a file in a folder can be used, if it can; the name that old engines list otherwise.
    private func usableName(_ entry: DirectoryEntry) -> String {
        guard let root = directories.all.first(where: { entry.path.hasPrefix("\($0)/") }) else { return entry.stem }
        let path = String(entry.path.dropFirst(root.count + 1).dropLast(entry.suffix.count))
        // What is no name, or finds another file, is no use.
        guard path.contains("/"), (try? lookUp(path))?.taken?.path == entry.path,
            (try? lookUp(entry.stem))?.taken?.path != entry.path
        else { return entry.stem }
        return path
    }

    // MARK: 18.03 and later

    private func sockets() throws(RegularFileError) -> [String] {
        var names: [String] = []
        for entry in try DirectoryEntry.list(directories.sockets) {
            if entry.kind == S_IFSOCK { names.append(entry.stem) }
            guard entry.kind == S_IFDIR else { continue }
            if DirectoryEntry.kind(of: "\(entry.path)/\(entry.name).sock", followingLinks: true) == S_IFSOCK {
                names.append(entry.name)
            }
        }
        return names
    }

    private func specs() throws(RegularFileError) -> [String] {
        var names: [String] = []
        for directory in directories.specs {
            for entry in try DirectoryEntry.list(directory) {
                var entry = entry
                if entry.kind == S_IFDIR {
                    // Of its files only the first that is named like the folder counts.
                    let inner = (try? DirectoryEntry.list(entry.path)) ?? []  // engines pass over what they cannot read
                    entry = inner.first { $0.stem == entry.name } ?? entry
                }
                if [".spec", ".json"].contains(entry.suffix) { names.append(entry.stem) }
            }
        }
        return names
    }

    // MARK: 17.12 and earlier

    private func everything() -> [DirectoryEntry] {
        files(below: directories.sockets).filter { $0.kind == S_IFSOCK }
            + directories.specs.flatMap { files(below: $0) }
    }

    /// All that is no directory, at any depth; what cannot be read is left out.
    private func files(below directory: String, depth: Int = 0) -> [DirectoryEntry] {
        // Links are not followed, so only what somebody nested on purpose is deeper.
        guard depth < 32, let entries = try? DirectoryEntry.list(directory) else { return [] }
        return entries.flatMap { $0.kind == S_IFDIR ? files(below: $0.path, depth: depth + 1) : [$0] }
    }
}

extension DirectoryEntry {
    /// Whether the folder it is in has the ID of a managed plugin for its name.
    fileprivate var isOfManagedPlugin: Bool {
        let folder = path.split(separator: "/").dropLast().last ?? ""
        return folder.utf8.count == 64 && folder.allSatisfy { $0.isASCII && $0.isHexDigit }
    }
}
