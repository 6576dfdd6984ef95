// SPDX-License-Identifier: Apache-2.0

import DockerPluginDiscovery
import MobyFSHost
import SystemPackage

enum SpecFuzzing {
    /// The file as `.spec` and as `.json`: where there is an endpoint, the file that we would write leads there, too.
    static func check(_ bytes: [UInt8]) throws {
        try withScratchDirectory { root in
            for form in SpecFile.Form.allCases {
                let folder = root.appending(form.rawValue).string
                let discovery = PluginDiscovery(
                    directories: PluginDirectories(sockets: root.appending("sockets").string, specs: [folder]))
                let file = SpecFile(name: "fuzz", directory: folder)
                try write(bytes, to: FilePath(file.path(form)))
                let found = try discovery.lookUp("fuzz").candidates
                try FuzzFinding.require(found.count == 1, "the file is not found")
                guard let endpoint = found[0].endpoint else {
                    try FuzzFinding.require(found[0].problem?.isEmpty == false, "no reason is given")
                    continue
                }
                _ = (discovery.scan(as: .v25), discovery.names, discovery.strays(of: "fuzz"))
                try FuzzFinding.require(try !file.isOurs(form), "a file of others is taken for our own")
                let written = try file.write(endpoint, replacingOthers: true)
                let read = try discovery.lookUp("fuzz").endpoint
                // In this form there are no certificates, and engines are said to check none.
                try FuzzFinding.require(
                    read.address == endpoint.address && (written == .spec || read == endpoint),
                    "\(endpoint) is written as \(read)")
                // One that says the same already stays, and stays theirs.
                let isTheirs = try DurableFile.read(FilePath(file.path(written))) == bytes
                try FuzzFinding.require(
                    try file.isOurs(written) != isTheirs, "a file of our own is taken for others', or theirs for ours")
                if isTheirs { continue }
                try FuzzFinding.require(
                    try file.addressOfOurs() == endpoint.address.text, "the address is not the one that was written")
                _ = try file.remove()
                try FuzzFinding.require(try discovery.lookUp("fuzz").candidates.isEmpty, "the file is still there")
            }
        }
    }
}
