// SPDX-License-Identifier: Apache-2.0

import Glibc
import MobyFSHost
import SystemPackage

/// A file that leads engines to a socket nobody has: each of their calls waits for it in vain.
struct SpecCheck: HostCheck {
    let directory: FilePath

    func findings() -> [FindingDetails] {
        let path = directory.appending("\(ServedName.main).spec")
        guard let bytes = try? DurableFile.read(path) else { return [] }
        let address = String(decoding: bytes.prefix { $0 > UInt8(ascii: " ") }, as: UTF8.self)
        guard address.hasPrefix("unix://"), case let socket = address.dropFirst("unix://".count),
            access(String(socket), F_OK) != 0, errno == ENOENT
        else { return [] }
        return [
            finding(
                "spec", path.string,
                "engines are sent to '\(socket)', where there is no socket: each of their calls waits",
                advice: "start mobyfs, or run 'mobyfs spec remove' if it is not to run")
        ]
    }
}
