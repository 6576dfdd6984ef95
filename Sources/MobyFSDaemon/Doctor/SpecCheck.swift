// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery
import Glibc
import SystemPackage

/// Files that lead engines to a socket nobody has, or nowhere: each of their calls waits for it in vain.
struct SpecCheck: HostCheck {
    private let discovery: PluginDiscovery

    /// - Parameter directory: Where spec files are, as configured; where that is the engines' own folder, they look into
    ///   others, too.
    init(directory: FilePath) {
        var directories = PluginDirectories()
        if !directories.specs.contains(directory.string) { directories.specs = [directory.string] }
        discovery = PluginDiscovery(directories: directories)
    }

    func findings() -> [FindingDetails] {
        discovery.names.compactMap { name in
            // What is no name leads nowhere.
            guard let file = (try? discovery.lookUp(name))?.taken, file.form != .socket else { return nil }
            if let problem = file.problem {
                return finding(
                    "spec", file.path, "engines cannot use it, and whoever lists volumes waits: \(problem)",
                    advice: "put it right, or delete it if nothing serves '\(name)' any more")
            }
            guard case .unix(let socket)? = file.endpoint?.address.transport, access(socket, F_OK) != 0, errno == ENOENT
            else { return nil }
            return finding(
                "spec", file.path,
                "engines are sent to '\(socket)', where there is no socket: each of their calls waits",
                advice: name == ServedName.main
                    ? "start mobyfs, or run 'mobyfs spec remove' if it is not to run"
                    : "start what serves '\(name)', or delete the file if nothing does any more")
        }
    }
}
